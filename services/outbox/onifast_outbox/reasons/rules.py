"""The table of known answers: what servers write, and what it means; `particular` goes first. The first match counts.

A pattern is searched in the whole answer on one line: code, enhanced code, text. None may take long on hostile text: no
nested repetition, and only bounded gaps.
"""

from __future__ import annotations

from onifast_outbox.reasons.particular import PARTICULAR
from onifast_outbox.reasons.rule import rule

_ASK = "Ask your provider, who runs this server, to look into it."
_SPF_ADVICE = "Add {mechanism} to it: a TXT record of {domain} that begins with v=spf1."
_DKIM_ADVICE = "Publish the DKIM record of {domain} as the webmail or the panel shows it, and check that it is found."
_WAIT = "Nothing need be done: it is tried again by itself."
_RATE_ADVICE = (
    "It is tried again by itself, more slowly. Send fewer messages at a time, and only to people who want them."
)

_AUTHENTICATION = (
    rule(
        "spf",
        r"5\.7\.27|4\.7\.27",
        "the SPF record of {domain} does not list {server}",
        _SPF_ADVICE,
        provider="Gmail",
    ),
    rule(
        "dmarc",
        r"unauthenticated email from (?P<domain>[\w.-]{1,255}) is not accepted due to domain's",
        "the DMARC policy of {domain} asks for that where neither SPF nor DKIM passes for that domain",
        "Send {domain}'s mail from here only with {mechanism} in its SPF record, or its DKIM record published.",
    ),
    rule(
        "authentication",
        r"sender is unauthenticated|mail is unauthenticated|must authenticate with at least one of SPF or DKIM"
        r"|does not have authentication information|fails to pass authentication checks",
        "neither SPF nor DKIM proves that the message comes from {domain}",
        "Add {mechanism} to the SPF record of {domain}, and publish its DKIM record.",
    ),
    rule(
        "dmarc",
        r"[45]\.7\.32\b",
        "neither SPF nor DKIM passes for the domain in From",
        "Publish the SPF and DKIM records of the domain in From, not only those of the envelope's sender.",
        provider="Gmail",
    ),
    rule("dkim", r"[45]\.7\.30\b", "no valid DKIM signature was found", _DKIM_ADVICE, provider="Gmail"),
    rule(
        "tls",
        r"[45]\.7\.29\b",
        "the message did not come over an encrypted connection",
        _ASK,
        provider="Gmail",
    ),
    rule(
        "authentication",
        r"5\.7\.515.{0,80}sending domain \[?(?P<domain>[\w.-]{1,255})",
        "{domain} does not pass SPF, DKIM and DMARC as it asks of those who send much",
        "Publish all three: {mechanism} in the SPF record, the DKIM record, and a DMARC record (v=DMARC1; p=none).",
    ),
    rule(
        "dmarc",
        r"5\.7\.509.{0,80}sending domain \[?(?P<domain>[\w.-]{1,255})",
        "{domain} does not pass DMARC, and its own policy asks to reject such mail",
        "Add {mechanism} to the SPF record of {domain}, and publish its DKIM record.",
    ),
    rule(
        "spf",
        r"5\.7\.23\b|sender policy framework"
        r"|SPF[ -]?(validation|check|verification)?s? ?(failed|fail\b|failure|violation)"
        r"|(failed|fails|failing|fails to pass|bad) SPF|SPF[ :=(-]{1,3}(hard)?fail|(due to|because of) (an? )?SPF"
        r"|SPF record with a hard ?fail|openspf\.org|mismatches client ip"
        r"|not (authori[sz]ed|permitted|allowed) to send (mail|email|messages)? ?(for|from|on behalf of)"
        r"|does not designate",
        "{domain}'s SPF record does not list {server}",
        _SPF_ADVICE,
    ),
    rule(
        "dmarc",
        r"\bDMARC\b",
        "the message does not pass DMARC for {domain}",
        "Add {mechanism} to the SPF record of {domain}, publish its DKIM record, and write From with that domain.",
    ),
    rule(
        "dkim",
        r"5\.7\.2[0-2]\b|\bDKIM\b.{0,60}(fail|invalid|missing|none|required|not)|(invalid|missing|no valid)"
        r" DKIM",
        "no valid DKIM signature was found",
        _DKIM_ADVICE,
    ),
    rule(
        "reverse-dns",
        r"[45]\.7\.25\b|\bPTR\b|reverse (DNS|lookup|hostname|map)|\brDNS\b|cannot find your (reverse )?hostname"
        r"|no reverse|generic (r?dns|hostname)|FCrDNS|IP name lookup failed|may not be mail exchanger"
        r"|unverif[iy]able sending IP",
        "{server} has no proper name in the reverse DNS",
        "The server's administrator has to set its PTR record to the server's own name, which must point back to it.",
    ),
    rule(
        "policy",
        r"helo (command )?rejected|(invalid|bad) (helo|ehlo)|(helo|ehlo).{0,30}(invalid|not found|mismatch)",
        "the name that this server gives itself does not fit its address",
        "The server's administrator has to set the setting hostname to a name that leads to the server.",
    ),
)

_REPUTATION = (
    rule(
        "blocklist",
        r"\[?BL2[0-9]\]?.{0,200}|Connections will not be accepted from",
        "{server} is on {list}",
        "{removal}",
        provider="Yahoo",
    ),
    rule(
        "blocklist",
        r"S3140|S3150|part of their network is on our block list",
        "{server} is on its block list",
        "The server's administrator can ask for removal at https://sender.office.com/ or, for Outlook.com, "
        "https://sendersupport.olc.protection.outlook.com/.",
    ),
    rule(
        "blocklist",
        r"5\.7\.(60[6-9]|6[1-4][0-9])\b|banned sending IP",
        "it has banned {server}",
        "The server's administrator can ask for removal at https://sender.office.com/.",
    ),
    rule(
        "blocklist",
        r"5\.7\.708\b",
        "it takes no mail from {server}, which it knows too little or has seen send too much",
        _ASK,
    ),
    rule(
        "reputation",
        r"IP=(?P<ip>[0-9a-f.:]{3,45}).{0,20}A problem occurred",
        "it does not know {server} as a mail server",
        "The server's administrator can write to tosa@rx.t-online.de and ask to have it accepted.",
        provider="Telekom (t-online.de)",
    ),
    rule(
        "blocklist",
        r"Nemesis ESMTP Service not available|bl(ack|ock) ?list(ed)?|blocked using"
        r"|(?<!not )listed (at|by|in|on)|\bR?BL\b|DNSBL"
        r"|spamhaus|spamcop|barracudacentral|ipcheck\.proofpoint|csi\.cloudmark|abusix|uceprotect|talosintelligence"
        r"|senderbase|spamrats|sorbs\.net|surbl|uribl",
        "{server} or a domain in the message is on {list}",
        "{removal}{page}",
    ),
    rule(
        "policy",
        r"not authorized to send email directly to our servers",
        "it takes no mail straight from {server}",
        "Mail for it has to go by way of your provider's relay: ask them.",
    ),
    rule(
        "greylisted",
        r"gr[ae]y ?-?list|postgrey|4\.7\.1 .{0,40}try again (later|in)|temporarily (rejected|blocked|deferred).{0,40}"
        r"(first time|unknown|new sender)|4[0-9]{2}.{0,20}internal resource (is )?temporarily unavailable",
        "it makes every new sender wait once (greylisting)",
        _WAIT,
        says_wait=True,
    ),
    rule(
        "rate",
        r"TSS?0[0-9]|unexpected volume|unusual (rate|traffic|volume)|rate ?-?limit|ratelimit|too (many|much) (messages|"
        r"mails?|e-?mails?|connections?|traffic|recipients (this|per) hour)|throttl|\b[45]\.7\.28\b|4\.7\.650\b"
        r"|exceeded the (rate|limit|maximum|number)|receiving (e?mail|messages) (at a rate|too quickly|too fast)"
        r"|(connection|message|sending) (rate|frequency|limit)|slow down|S77[0-9]{1,3}|excessive (volume|rate)",
        "it got more mail from {server} or for this mailbox than it takes at a time",
        _RATE_ADVICE,
        says_wait=True,
    ),
    rule(
        "reputation",
        r"low reputation|poor reputation|bad reputation|reputation of|\breputation\b|unsolicited|user complaints"
        r"|suspicious (due|activity)|\[CS01\]|\[H[A-Z]{1,2}[0-9]{1,2}\]",
        "mail from {server} or {domain} has a bad name with it",
        "Send only to people who asked for it, and have your provider see whether somebody else here sends junk.{page}",
    ),
)

_RECIPIENT = (
    rule(
        "busy",
        r"^4.{0,300}(unverified address|address verification in progress|mailbox unavailable|queue quota"
        r"|(recipient|mailbox|user) (is )?temporarily unavailable)",
        "it cannot tell now whether it has such a mailbox, or cannot reach it",
        _WAIT,
        says_wait=True,
    ),
    rule(
        "mailbox-full",
        r"[45]\.2\.2\b|over ?quota|quota ?exceeded|exceeded? .{0,40}(quota|storage|mailbox)|mailbox (is )?full"
        r"|out of (storage|disk) ?(space)?|inbox is full|insufficient (mailbox )?storage|quota.{0,30}(full|reached)"
        r"|mailbox size limit|mailbox exceeds|quota violation",
        "the recipient's mailbox is full",
        "Ask the recipient in another way to make room, and send the message again.",
    ),
    rule(
        "inactive",
        r"\(554\.30\)|(mailbox|account|user|recipient)\b.{0,40}"
        r"\b(disabled|inactive|inactivity|suspended|deactivated|locked|closed|expired|frozen|not active)\b"
        r"|disabled recipient|recipient account is blocked",
        "the recipient's mailbox is switched off",
        "Reach the recipient in another way.",
    ),
    rule(
        "unknown-user",
        r"5\.1\.1\b|5\.1\.10\b|RecipientNotFound|unroute?able address|undeliverable address|no mailbox here"
        r"|(user|recipient|mailbox|account|addressee|alias|person|local part|(mail|recipient|destination) address)"
        r"[^.;]{0,60}(unknown|not (found|known|exist|(a )?valid|available here|recogni[sz]ed|listed)"
        r"|doesn'?t (exist|have)|does not (exist|have)|no longer|invalid|(?<!temporarily )unavailable)"
        r"|(no such|unknown|invalid|non-?existent|bad destination) "
        r"(user|recipient|mailbox|account|address|person|local[- ]part|virtual)"
        r"|5\.4\.1 .{0,80}recipient address(es)? rejected ?: access denied|not in recipient list|is no longer valid"
        r"|not our (customer|user)\b|not a registered",
        "there is no such mailbox",
        "Check the address, above all the part before the @.",
    ),
    rule(
        "policy",
        r"5\.7\.1(24|33|34|35|36)\b|not (allowed|authorized|permitted) to send to (this )?(group|list|recipient)"
        r"|only accepts? (mail|messages) from|sender not (allowed|on the list)|restricted (to|recipient)",
        "the recipient takes mail only from certain senders",
        "Ask the recipient to let you in.",
    ),
    rule(
        "relaying",
        r"relay(ing)? (access )?(denied|not (permitted|allowed))|we do not relay|\bno relaying\b"
        r"|unable to relay|not.{0,20}relay|use me .{0,80}as a relay|list of allowed rcpthosts",
        "it does not handle mail for the recipient's domain",
        "Check the part after the @. If it is right, the MX records of that domain lead to a wrong server.",
    ),
)

_CONTENT = (
    rule(
        "size",
        r"5\.3\.4\b|5\.2\.3\b|\b(message|mail|size)\b.{0,40}(too (large|big)|exceeds?\b)"
        r"|exceeds? .{0,40}(size|maximum)|552.{0,10}message size",
        "the message is larger than it takes",
        "Send smaller attachments, or a link to them.",
    ),
    rule(
        "content",
        r"virus|malware|infected|phish|potential security issue|blocked attachment|attachment.{0,40}"
        r"(not (allowed|permitted|accepted)|blocked|banned|rejected)|dangerous|executable",
        "it takes something in the message for dangerous, an attachment most likely",
        "Leave the attachment out, or send a link to it.{page}",
    ),
    rule(
        "content",
        r"(missing|invalid|malformed|duplicate|multiple|no valid|bad|not RFC).{0,40}"
        r"(message-id|from:? header|header|date|rfc ?-?5322|5322)|RFC ?5322|5\.6\.0\b"
        r"|headers are not RFC|addresses in From",
        "the message's header is not written as it must be",
        "The program that wrote the message is at fault: it has to write one From, a Date and a Message-ID.",
    ),
    rule(
        "content",
        r"\bspam|\bjunk|unwanted|likely (spam|bulk)|bulk mail"
        r"|content (rejected|refused|filter|policy|denied)"
        r"|message content|(rejected|refused|blocked).{0,30}content|URL.{0,40}(block|black|listed)|5\.7\.350\b"
        r"|banned content|message filtered|due to security policies",
        "it takes the message for junk",
        "Change what it says: fewer links and pictures, a plain subject. Send it only to people who want it.{page}",
    ),
)

_OTHERS = (
    rule(
        "dns",
        r"hop count exceeded|too many (hops|received)|(mail|routing|forwarding) loop|loop detected|loops back",
        "the message goes round in a circle between mail servers",
        "A forward leads back to where it came from: the recipient's mail administrator has to look, or your provider.",
    ),
    rule(
        "sender",
        r"sender verify failed|sender (address )?rejected.{0,60}(domain not found|not exist|unknown|invalid"
        r"|undeliverable|need fully-qualified)|5\.1\.8\b|5\.1\.7\b|5\.7\.27\b|callout|invalid sender",
        "it could not find your own address, or takes it for wrong",
        "Check that the sender's address exists and that its domain has an MX or A record.",
    ),
    rule(
        "tls",
        r"must issue a STARTTLS|does not support (STARTTLS|TLS)"
        r"|(TLS|STARTTLS|encryption) (is )?(required|needed|mandatory)|\b5\.7\.10\b",
        "it wants an encrypted connection",
        _ASK,
    ),
    rule(
        "authentication",
        r"\b5(30|35)\b.{0,10}5?\.?7?\.?[0-9]{0,2}.{0,30}authenticat|authentication (is )?required"
        r"|not authenticated|5\.7\.57\b|client was not authenticated|turn on SMTP Authentication"
        r"|unauthenticated senders",
        "it wants a user name and a password",
        "The relay's settings have to be put right: ask your provider.",
    ),
    rule(
        "policy",
        r"local policy|policy (reasons|restriction|violation|rejection)|administrative prohibition|rejected"
        r" by (policy|header)|5\.7\.9\b|5\.7\.7\b|access denied|not accepted for policy|organi[sz]ation(al)? polic",
        "its rules do not let this message in, and it does not say which",
        "Write to the recipient in another way, and ask that their postmaster look for the message.{page}",
    ),
    rule(
        "busy",
        r"^4.{0,60}(server (is )?busy|resources? (temporarily )?unavailable|try again later"
        r"|overload|too busy|system (is )?(full|load)|insufficient system|service (is )?(temporarily |currently )?"
        r"(not available|unavailable)|temporar(il)?y (failure|unavailable|domain failure)"
        r"|too many errors|max message per connection|timeout exceeded"
        r"|local (problem|error)|maintenance|shutting down)|4\.7\.500\b|4\.3\.[0-5]\b",
        "it is busy or has trouble of its own",
        _WAIT,
        says_wait=True,
    ),
)

# What notifications say that sites write later, by themselves or about another site: no server answers so on the spot.
_RETURNED = (
    rule(
        "mailbox-full",
        r"(number of messages in|space in).{0,60}mailbox|mail ?folder is full"
        r"|mailbox.{0,60}local limit",
        "the recipient's mailbox is full",
        "Ask the recipient in another way to make room, and send the message again.",
    ),
    rule(
        "dns",
        r"\bNXDOMAIN\b|no such domain|unknown host|host (is )?unknown|domain (name )?(does not exist|not found)"
        r"|domain is not reachable|no MX (record )?found|no relevant answers|responded with code NOERROR"
        r"|host ?name lookup failure|no SMTP service|does(n.t| not) (accept|receive) (any )?e?mail"
        r"|name service error|DNS (lookup|error)"
        r"|host [\w.-]{3,255} not found|[\w-]\.[a-z]{2,24} does not exist",
        "it found no mail server for the recipient's domain",
        "Check the part after the @ for typing mistakes.",
    ),
    rule(
        "connection",
        r"time(d)? ?out|connection (refused|reset|closed|lost)|retry time|could not deliver for the last"
        r"|(multiple|many) retries|delivery failed \d+ attempts|envelope expired|failing for a long time"
        r"|network (error|unreachable)|not reachable|unable to connect|(did|does) not accept our requests to connect"
        r"|(will|to) be retried for|message expired|too long (in|on) (the )?queue|not accepting connections"
        r"|no (host|route) (to|found)|(could not|can not|cannot) (be )?(sent|connect|reach|deliver).{0,60}(hours|days)",
        "it could not reach the recipient's own mail server",
        "Try again later, or reach the recipient in another way.",
    ),
    rule(
        "size",
        r"(line|size|length) limit exceeded",
        "the message is larger than it takes",
        "Send smaller attachments, or a link to them.",
    ),
    rule(
        "unknown-user",
        r"not listed in (the )?(domino|public|name|address)|no valid recipients|invalid final delivery"
        r"|address (could ?n[o'’]t|cannot) be found|check (if|whether) (the )?address"
        r"|Domino .{0,40}見つか|リストにありません"
        r"|recipient address rejected\.? *$|Unknown user",
        "there is no such mailbox",
        "Check the address, above all the part before the @.",
    ),
    rule(
        "policy",
        r"groups\.google\.com/support|group you tried to contact|support\.google\.com/a/.{0,60}groups",
        "there is no such group, or it takes no mail from you",
        "Check the group's name, and ask its owner to let you in.",
    ),
    rule(
        "blocklist",
        r"blocked for|not accepting (mail|connections) from|invalid IP for sending|daily relay quota|name was rejected"
        r"|network not allowed",
        "it takes no mail from {server}",
        "Ask your provider, who runs this server, to look into it.",
    ),
    rule(
        "rate", r"too many recipients", "the message has more recipients than it takes", "Send it to fewer at a time."
    ),
    rule(
        "sender",
        r"unroute?able sender|provide a valid From\b"
        r"|sender (address )?(rejected|refused|denied)|(different|wrong) address or alias",
        "it could not find your own address, or takes it for wrong",
        "Check that the sender's address exists and that its domain has an MX or A record.",
    ),
    rule(
        "policy",
        r"denied by policy|protocol violation",
        "its rules do not let this message in, and it does not say which",
        "Write to the recipient in another way, and ask that their postmaster look for the message.{page}",
    ),
)

RULES = (*PARTICULAR, *_AUTHENTICATION, *_RECIPIENT[:4], *_REPUTATION, *_RECIPIENT[4:], *_CONTENT, *_OTHERS, *_RETURNED)
"""All rules in the order that they are tried."""
