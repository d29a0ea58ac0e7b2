"""Images that are there to be loaded, not to be seen: who opens the message tells their sender so."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What services that send mail for others call the picture that counts openings; hosts and paths are matched apart.
_HOSTS = re.compile(
    r"(?:^|\.)(?:awstrack\.me|emltrk\.com|mailtrack\.io|mltrk\.io|yesware\.com|bananatag\.com|getnotify\.com|mailstat\.us"
    r"|readnotify\.com|didtheyreadit\.com|streak\.com|mailfoogae\.appspot\.com|open\.convertkit-mail\d*\.com"
    r"|google-analytics\.com|doubleclick\.net|pixel\.\S+|beacon\.\S+|trackcmp\.net|t\.sidekickopen\d*\.com|pstmrk\.it)$"
)
_PATHS = re.compile(
    r"/(?:wf/open|track(?:ing)?/(?:open|pixel|o)\b|trk/open|open\.(?:php|aspx?|gif|png|jsp)|email[-_]?open"
    r"|e[23]?t/c?to?/|e/o/|o/[A-Za-z0-9_=-]{16,}$|q/[A-Za-z0-9_~-]{12,}~|mpss/o/|ss/o/|gp\.gif"
    r"|(?:pixel|beacon|spacer|1x1|blank|clear|trans(?:parent)?|count(?:er)?)\.(?:gif|png|php)\?"
    r"|t/open\b|mail/open\b|EmailOpen|read[-_]?receipt)",
    re.IGNORECASE,
)
_TINY = re.compile(r"\s*\+?0*[01](?:\.\d+)?(?:px|pt)?\s*", re.IGNORECASE)
_LENGTH = re.compile(r"(?:^|;)\s*(?:max-)?(width|height)\s*:\s*([^;!]*)", re.IGNORECASE)


def is_known(url: str) -> bool:
    """Whether the URL is as those of tracking pixels are, by who serves them or by what they are called there."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].lower()
    return bool(_HOSTS.search(host[:253]) or _PATHS.search((slash + path)[:500]))


def is_tiny(attributes: Mapping[str, str]) -> bool:
    """Whether an image is a pixel at the most: by its width and its height, or by one where the other is not told."""
    sizes = {name: attributes[name] for name in ("width", "height") if attributes.get(name, "").strip()}
    for name, value in _LENGTH.findall(attributes.get("style", "")):
        if value.strip().lower() != "auto":
            sizes[name.lower()] = value
    return bool(sizes) and all(_TINY.fullmatch(value) for value in sizes.values())
