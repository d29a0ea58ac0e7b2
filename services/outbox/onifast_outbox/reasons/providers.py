"""Whose server answered, by the host's name: people know Gmail, not aspmx.l.google.com."""

from __future__ import annotations

# By the end of the name of the mail exchanger.
_PROVIDERS = {
    "google.com": "Gmail",
    "googlemail.com": "Gmail",
    "mail.protection.outlook.com": "Microsoft 365",
    "mx.microsoft": "Microsoft 365",
    "olc.protection.outlook.com": "Outlook.com",
    "outlook.com": "Microsoft",
    "hotmail.com": "Outlook.com",
    "yahoodns.net": "Yahoo",
    "yahoo.com": "Yahoo",
    "icloud.com": "iCloud",
    "apple.com": "iCloud",
    "gmx.net": "GMX",
    "gmx.com": "mail.com",
    "web.de": "WEB.DE",
    "kundenserver.de": "IONOS",
    "ionos.com": "IONOS",
    "1and1.com": "IONOS",
    "t-online.de": "Telekom (t-online.de)",
    "freenet.de": "freenet",
    "posteo.de": "Posteo",
    "mailbox.org": "mailbox.org",
    "protonmail.ch": "Proton Mail",
    "messagingengine.com": "Fastmail",
    "zoho.com": "Zoho Mail",
    "zoho.eu": "Zoho Mail",
    "pphosted.com": "the recipient's Proofpoint filter",
    "ppe-hosted.com": "the recipient's Proofpoint filter",
    "mimecast.com": "the recipient's Mimecast filter",
    "barracudanetworks.com": "the recipient's Barracuda filter",
    "iphmx.com": "the recipient's Cisco filter",
    "messagelabs.com": "the recipient's Symantec filter",
    "trendmicro.com": "the recipient's Trend Micro filter",
    "trendmicro.eu": "the recipient's Trend Micro filter",
    "hornetsecurity.com": "the recipient's Hornetsecurity filter",
    "antispameurope.com": "the recipient's Hornetsecurity filter",
    "sophos.com": "the recipient's Sophos filter",
    "mailspamprotection.com": "the recipient's SpamExperts filter",
    "antispamcloud.com": "the recipient's SpamExperts filter",
    "comcast.net": "Comcast",
    "charter.net": "Spectrum",
    "prodigy.net": "AT&T",
    "cox.net": "Cox",
    "orange.fr": "Orange",
    "free.fr": "Free",
    "sfr.fr": "SFR",
    "laposte.net": "La Poste",
    "libero.it": "Libero",
    "ovh.net": "OVHcloud",
    "mail.ru": "Mail.ru",
    "yandex.ru": "Yandex",
    "yandex.net": "Yandex",
    "qq.com": "QQ Mail",
    "163.com": "NetEase",
    "netease.com": "NetEase",
    "seznam.cz": "Seznam",
    "wp.pl": "WP",
    "onet.pl": "Onet",
    "amazonaws.com": "Amazon SES",
    "secureserver.net": "GoDaddy",
}


def provider_of(host: str) -> str:
    """The provider's name for a host, or "" for one that nobody knows by name. The longest match counts."""
    labels = host.lower().partition("[")[0].rstrip(".").split(".")
    for start in range(len(labels)):
        if name := _PROVIDERS.get(".".join(labels[start:])):
            return name
    return ""
