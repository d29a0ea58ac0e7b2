"""The cookies that open something, by name."""

SESSION = "onifast_mail"
"""A login."""

PENDING = "onifast_mail_step"
"""A login between its first factor and its second."""

DEVICE = "onifast_mail_device"
"""A browser that is asked for the first factor only."""
