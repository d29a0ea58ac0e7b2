"""Answers that one provider gives and nobody else, most by codes of its own: they are looked for before all others.

Their words would mislead: Orange and La Poste say the same sentence for too much mail and for a bad name, and a server
that may not ask Spamhaus says that it found us listed there. The patterns obey what `rules` says of its own.
"""

from __future__ import annotations

from onifast_outbox.reasons.rule import rule

_FEWER = "It is tried again by itself, more slowly. Send fewer messages at a time, and only to people who want them."
_CLEANER = (
    "Send only to people who asked for it, and have your provider see whether somebody else here sends junk.{page}"
)
_ASK_POSTMASTER = (
    "Only the recipient's mail administrator can mend it: reach the recipient in another way, and tell them."
)

PARTICULAR = (
    rule(
        "dns",
        r"(host|domain|hostname)[^.;]{0,20} does not accept (e?mail|messages)\b|\bnull ?MX\b",
        "the recipient's domain takes no mail at all",
        "Check the part after the @ for typing mistakes, or reach the recipient in another way.",
    ),
    rule(
        "blocklist",
        r"spamhaus\.org/returnc/|Error: open resolver|spamhaus.{0,200}(excessive (number of )?queries|query volume)",
        "its own look-ups at Spamhaus fail, so that it takes everybody for listed; {server} need not be",
        _ASK_POSTMASTER,
    ),
    rule(
        "authentication",
        r"5\.7\.68\b|Direct Send not allowed",
        "the message seems to come from the recipient's own organisation, which takes such mail only by its own ways",
        "Write from an address of another domain, or have that organisation's administrator let {server} in.",
    ),
    rule(
        "policy",
        r"TenantInboundAttribution",
        "the recipient's organisation takes mail only by way of its own filter",
        "The MX records of the recipient's domain are wrong, or changed lately: their mail administrator has to look.",
    ),
    rule(
        "blocklist",
        r"\b5\.7\.511\b",
        "it has banned {server}",
        "The server's administrator can ask for removal: they forward this answer to delist@microsoft.com.",
    ),
    rule(
        "reputation",
        r"\b5\.7\.800\b",
        "it has banned your domain, or the name of this server, for junk that came from there",
        "Find out what sent the junk and end that; then the server's administrator has to ask Microsoft's support.",
    ),
    rule(
        "reputation",
        r"\[TSS?(09|11)\]|will be permanently deferred",
        "so many of its users called mail from {server} junk that it takes no more of it",
        "Send only to people who asked for it; the server's administrator can ask at https://senders.yahooinc.com/.",
        provider="Yahoo",
    ),
    rule(
        "content",
        r"nature of the content",
        "it takes what the message says, or where its links lead, for junk",
        "Change what it says: fewer links and pictures, no shortened links.{page}",
        provider="Gmail",
    ),
    rule(
        "blocklist",
        r"Dialup/transient IP",
        "it takes {server} for the address of somebody's home",
        "The server's administrator has to give it a proper name, and can then write to toda@rx.t-online.de.",
        provider="Telekom (t-online.de)",
    ),
    rule(
        "reputation",
        r"None/bad reputation",
        "it does not know {server} as a mail server",
        "The server's administrator can write to tosa@rx.t-online.de and ask to have it accepted.",
        provider="Telekom (t-online.de)",
    ),
    rule(
        "sender",
        r"Invalid DNS MX or A/AAAA|OFR_?[0-9]{0,3}_?405\b|(emetteur|expediteur) invalide",
        "it could not find your own address, or takes it for wrong",
        "Check that the sender's address exists and that its domain has an MX or A record.{page}",
    ),
    rule(
        "policy",
        r"Reject due to policy (restriction|violation)s?",
        "its rules do not let this message in",
        "Have your provider look at SPF, DKIM and the name of this server, and at what else it sends there.{page}",
    ),
    rule(
        "content",
        r"\bofr_?506\b|Mail rejete\.",
        "it takes the message for junk",
        "Change what it says: fewer links and pictures, a plain subject. Send it only to people who want it.",
    ),
    rule(
        "rate",
        r"^4.{0,80}(Service refuse|Trop de connexions)",
        "it got more mail from {server} than it takes at a time",
        _FEWER,
        says_wait=True,
    ),
    rule(
        "reputation",
        r"Service refuse\.|\bLPN00[17]_(108|510)\b|\bSFR_IN_1[0-9]{2}\b|too many spams from your IP",
        "mail from {server} has a bad name with it",
        _CLEANER,
    ),
    rule(
        "reputation",
        r"\bAUP#|sender rejected.{0,120}spectrum\.net",
        "mail from {server} or {domain} has a bad name with it",
        _CLEANER,
    ),
    rule(
        "blocklist",
        r"unblock\.secureserver\.net|\bIB1(0[1-9]|1[0-9])\b",
        "{server} is on its block list",
        "The server's administrator can ask for removal at https://unblock.secureserver.net/.",
        provider="GoDaddy",
    ),
    rule(
        "rate",
        r"\bIB60[0-9]\b|too many recipients this hour|frequency limit|\b5\.2\.12[12]\b"
        r"|5\.2\.1 .{0,40}receiving mail (at a rate|too)",
        "it got more mail from {server} or for this mailbox than it takes at a time",
        "Send fewer messages at a time, and send this one again later.",
    ),
    rule(
        "policy",
        r"manually Blocked Senders|Envelope blocked - User Entry|rejected by recipients|recipient preferences"
        r"|for one or more recipients \([^)]{0,200}:blocked\)",
        "the recipient, or their mail administrator, has blocked your address or the like of this message",
        "Reach the recipient in another way, and ask to be let in.",
    ),
    rule(
        "authentication",
        r"Anti-Spoofing policy|rejecting spoofed message",
        "the message seems to come from the recipient's own organisation, but not by its own ways",
        "Write from an address of another domain, or have that organisation's administrator let {server} in.",
    ),
    rule(
        "sender",
        r"Email address is not verified.{0,120}failed the check",
        "it sends only from addresses that were confirmed there, and yours is none of them",
        "Confirm the address or its domain in the account of that mail service, and send the message again.",
    ),
)
"""These rules in the order that they are tried."""
