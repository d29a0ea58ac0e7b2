"""What an enhanced status code means (RFC 3463), for answers whose text is unknown."""

from __future__ import annotations

from onifast_shared.values.reply import Reply

# By enhanced status code (RFC 3463), without its class; the most specific key wins.
_REASONS = {
    "1": ("The address is not right.", "Check it for typing mistakes."),
    "1.1": ("There is no such mailbox.", "Check the part before the @ for typing mistakes."),
    "1.2": ("The part after the @ is not a domain that takes mail.", "Check it for typing mistakes."),
    "1.3": ("The address is not written as it must be.", "Check it for typing mistakes."),
    "1.6": ("The mailbox has moved, and where to is not known.", "Ask the recipient for their new address."),
    "1.7": ("Your own address was refused.", "Check the sender address."),
    "1.8": ("The domain of your own address was refused.", "Check the sender address and its domain's DNS records."),
    "1.10": ("The recipient's domain takes no mail at all.", "Reach the recipient in another way."),
    "2": ("The recipient's mailbox cannot take the message.", "Try later, or reach the recipient in another way."),
    "2.1": ("The recipient's mailbox is switched off.", "Reach the recipient in another way."),
    "2.2": ("The recipient's mailbox is full.", "Try again later, or reach the recipient in another way."),
    "2.3": ("The message is larger than the recipient may get.", "Send it with smaller attachments, or a link."),
    "3.2": ("The recipient's server takes no mail at present.", "Try again later."),
    "3.4": ("The message is larger than the recipient's server takes.", "Send smaller attachments, or a link."),
    "4.1": ("The recipient's mail server could not be reached.", "Try again later."),
    "4.2": ("The connection to the recipient's mail server broke.", "Try again later."),
    "4.3": ("The DNS of the recipient's domain gave no answer.", "Try again later."),
    "4.4": ("The recipient's domain names a mail server that does not exist.", "Tell the recipient about it."),
    "4.6": ("The message goes round in a circle between mail servers.", "Tell your provider about it."),
    "4.7": ("The message could not be delivered in time.", "Try again later, or reach the recipient in another way."),
    "5.3": ("There are too many recipients.", "Send the message to fewer of them at a time."),
    "6": ("The recipient's server cannot take the form of the message.", "Send it as plain text."),
    "6.3": ("The message holds binary data that the recipient's server cannot take.", "Send it as an attachment."),
    "6.7": ("The recipient's server does not take addresses in this script.", "Ask for an address in Latin letters."),
    "7": ("The recipient's server refused the message by its rules.", "Read its answer below."),
    "7.1": ("The recipient's server does not accept mail from you.", "Read its answer below."),
    "7.4": (
        "The connection to the recipient's server cannot be encrypted, though its domain or the sender asks for that.",
        "It is tried again by itself; only the recipient's provider can mend it.",
    ),
    "7.5": (
        "The recipient's server did not prove that it is the one that its domain names.",
        "It is tried again by itself; only the recipient's provider can mend it.",
    ),
    "7.10": ("The recipient's server cannot keep the message secret on its way.", "Send it without that demand."),
    "7.30": ("The recipient's server cannot keep the message secret on its way.", "Send it without that demand."),
    "7.20": ("No valid DKIM signature was found.", "Check the DKIM record of your domain."),
    "7.23": ("The SPF check of your domain failed.", "Check the SPF record of your domain."),
    "7.25": ("Our server's address has no proper reverse DNS.", "Tell your provider about it."),
    "7.26": ("Your domain's SPF, DKIM or DMARC check failed.", "Check these DNS records of your domain."),
    "7.27": ("Your own address takes no mail, so it is not believed.", "Write from an address that takes mail."),
}
# As the kinds of `explain` in explaining.py.
_KINDS = {
    "1": "unknown-user", "1.2": "dns", "1.7": "sender", "1.8": "sender", "1.10": "dns", "2": "other", "2.1": "inactive",
    "2.2": "mailbox-full", "2.3": "size", "3.2": "busy", "3.4": "size", "4": "connection", "4.3": "dns",
    "4.4": "dns", "4.6": "dns",
    "6": "content", "7": "policy", "7.4": "tls", "7.5": "tls", "7.8": "authentication", "7.10": "tls", "7.30": "tls",
    "7.20": "dkim", "7.23": "spf", "7.25": "reverse-dns", "7.26": "dmarc", "7.27": "sender",
}  # fmt: skip
_LATER = ("The recipient's server cannot take the message now.", "Nothing need be done: it is tried again by itself.")
_UNKNOWN = ("The recipient's server refused the message.", "Read its answer below.")


def explain(reply: Reply) -> tuple[str, str, str]:
    """(kind, what happened, what the sender can do), by the enhanced code alone."""
    _, _, detail = reply.enhanced.partition(".")
    subject = detail.partition(".")[0]
    what, advice = _REASONS.get(detail) or _REASONS.get(subject) or (_LATER if reply.is_transient else _UNKNOWN)
    return _KINDS.get(detail) or _KINDS.get(subject, "other"), what, advice
