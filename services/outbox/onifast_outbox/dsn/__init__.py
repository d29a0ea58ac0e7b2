"""Delivery status notifications (RFC 3461, RFC 3464): what a notice says, and whether there may be one at all.

`values` says who is told of what, `words` is the part for people, `fields` the part for machines, and `report` puts
both together with the original.
"""

from onifast_outbox.dsn.report import build
from onifast_outbox.dsn.values import RecipientFate, ReturnedMessage, clean, is_wanted
from onifast_outbox.dsn.words import subject

__all__ = ["RecipientFate", "ReturnedMessage", "build", "clean", "is_wanted", "subject"]
