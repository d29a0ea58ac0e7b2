"""Texts that the common package and outbox write in English, and that pages show: the catalogues know of them by this.

`retelling.retold` finds them again where they are shown. One that is missing here shows in English.
"""

from __future__ import annotations

from onifast_web.languages.texts import marked

WORDS = (
    *(marked("Grey"), marked("Red"), marked("Orange"), marked("Amber"), marked("Green"), marked("Teal")),
    *(marked("Cyan"), marked("Blue"), marked("Indigo"), marked("Violet"), marked("Pink"), marked("Brown")),
    *(marked("User"), marked("Unix user"), marked("Domain"), marked("an hour"), marked("a day")),
    *(marked("Messages an hour"), marked("Messages a day"), marked("Recipients an hour"), marked("Recipients a day")),
    marked("Read mail, and see what became of it"),
    marked("Write drafts and send mail"),
    marked("Move and delete mail, change settings"),
    marked("Do what only administrators may, and see everybody’s queue"),
)
"""Of labels, limits and API tokens."""

DOMAIN_DNS = (
    marked("%(domain)s has no MX record."),
    marked("Mail for %(domain)s goes to %(hosts)s, and not to %(here)s."),
    marked("Mail goes to %(hosts)s first."),
    marked("The record says that the domain takes no mail (RFC 7505)."),
    marked("%(host)s has no address."),
    marked("Who provides the address %(address)s publishes it."),
    marked("The address %(address)s has no name."),
    marked("The address %(address)s is called %(name)s, and not %(here)s."),
    marked("%(domain)s has no SPF record."),
    marked("There are %(n)s SPF records, and so none counts: keep one of them."),
    marked("%(domain)s has no DMARC record."),
    marked("There are %(n)s DMARC records, and so none counts: keep one of them."),
    marked("There are %(n)s such records, and so none counts: keep one of them."),
    marked("The record of %(name)s counts for it."),
    marked("The record cannot be read: %(error)s."),
    marked("The record does not begin with %(version)s."),
    marked("The record lacks %(tag)s=."),
    marked("The record needs more than %(n)s look-ups, and so counts as broken."),
    marked("The record does not let %(address)s send, which mail leaves from."),
    marked("Mail leaves by a relay: its operator says what the record has to include."),
    marked("DNS gave no answer about what the record of %(name)s names."),
    marked("DNS gave no answer about %(name)s."),
    marked("Mail programs are sent elsewhere than to %(host)s, port %(port)s."),
    marked(
        "It counts with a policy at %(url)s: have %(host)s lead to the webmail's web server, which serves it from"
        " there, or serve it yourself: %(policy)s (a line each)."
    ),
)
"""What is wrong with a domain's DNS (`onifast_shared.domain_dns`)."""

DELIVERY_CHECK = (
    marked("%(domain)s is not of this server: the message goes out."),
    marked("The recipient is not on your list of suppressed addresses."),
    marked("This server sends nothing to other sites: the message would be captured."),
    marked("%(domain)s is in the sandbox: the message would be captured, and not sent."),
    marked("The message would wait for an administrator: %(reason)s."),
    marked("It goes straight to the domain's mail servers."),
    marked("It is signed with %(names)s."),
    marked("The message would not be signed: %(domain)s has no DKIM key."),
    marked("The message would not be signed: %(problem)s."),
    marked("The %(subject)s has no limit."),
)
"""What would become of a message (outbox answers)."""

HEALTH = (marked("is not running"), marked("no mail waits longer than it should"))
"""What is wrong with this host (`onifast_shared.health`)."""
