"""A message's body and the checks of its sender, ready to be shown."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.message.parsing import Parsed
from onifast_shared.values.address import Address, display_domain

from onifast_web.languages.texts import _, marked
from onifast_web.reading.safe_html import SafeHtml, sanitise

FRAGMENT = "onifast-message"
"""The class of the element around a message's HTML where that has style sheets."""

METHODS = ("spf", "dkim", "dmarc", "arc")


def safe_html(
    parsed: Parsed,
    *,
    images: bool = False,
    part: str = "",
    remote: Callable[[str], str] | None = None,
    scope: str = "",
    is_light: bool = False,
) -> SafeHtml | None:
    """The message's HTML, or a `part` of it, sanitised, with the images that it brought along; None if it has none.

    The rest is as `sanitise` has it.
    """
    source = part or parsed.html
    if source is None:
        return None
    inline = _inline_images(parsed)
    return sanitise(source, images=images, inline=inline, remote=remote, scope=scope, is_light=is_light)


def fragment(parsed: Parsed) -> str | None:
    """The message's HTML for another page, loading nothing, its rules for the class FRAGMENT alone; None if none."""
    safe = safe_html(parsed, scope=FRAGMENT)
    return safe.fragment(FRAGMENT) if safe else None


def _inline_images(parsed: Parsed) -> dict[str, str]:
    """Images that the message brought along, as data: URIs: a sandboxed page needs no cookie for those."""
    return {
        name: f"data:{item.image_type};base64,{base64.b64encode(item.data).decode('ascii')}"
        for name, item in parsed.embedded.items()
    }


def verdicts(authentication: Mapping[str, Any]) -> dict[str, str | None]:
    """The result of each method in one word. smtpd stores either that word or an object that has it as `result`."""
    return {method: _result(authentication.get(method)) for method in METHODS}


def reasons(authentication: Mapping[str, Any]) -> list[str]:
    """Why the message is where it is, in smtpd's sentences."""
    found = authentication.get("why")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _result(stored: Any) -> str | None:
    if isinstance(stored, list):
        results = [_result(item) for item in stored]
        return "pass" if "pass" in results else next(iter(results), None)
    if isinstance(stored, Mapping):
        stored = stored.get("result")
    return stored if isinstance(stored, str) and stored else None


@dataclass(frozen=True)
class ShownResult:
    """One method's result in words."""

    name: str
    text: str


@dataclass(frozen=True)
class SenderVerdict:
    """What the checks say about the sender: `kind` is good, bad or unknown. `why` has more than `checks`, if anything.

    `reason` is why the message was treated in a special way, "" where it was not.
    """

    kind: str
    text: str
    checks: list[ShownResult]
    why: list[str]
    reason: str = ""


def proven_author(authentication: Mapping[str, Any], parsed: Parsed) -> Address | None:
    """The message's author, where nobody else can have put the address there; None where that could be forged.

    Mail that was not checked comes from here, where nobody writes as somebody else.
    """
    author = parsed.sender
    if author is None or len(parsed.authors) != 1:
        return None
    found = verdict(authentication, author.domain)
    return author if found is None or found.kind == "good" else None


_NAMES = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC", "arc": "ARC"}
_WORDS = {
    "pass": marked("passed"),
    "fail": marked("failed"),
    "softfail": marked("failed weakly"),
    "hardfail": marked("failed"),
    "policy": marked("was not accepted"),
    "neutral": marked("says nothing"),
    "none": marked("is not set up by the sender"),
    "temperror": marked("could not be checked"),
    "permerror": marked("is set up wrongly by the sender"),
}


def verdict(authentication: Mapping[str, Any], sender_domain: str) -> SenderVerdict | None:
    """The checks in words, about the visible author's domain ("" without one).

    None where nothing was checked (mail from here).
    """
    results = {method: result for method, result in verdicts(authentication).items() if result}
    if not results:
        return None
    shown = {method: result for method, result in results.items() if method in ("spf", "dkim") or result != "none"}
    checks = [ShownResult(_NAMES[method], _WORDS.get(result, result)) for method, result in shown.items()]
    proven = results.get("dmarc") == "pass" or _signed_by(authentication, results, sender_domain)
    why, reason = reasons(authentication), str(authentication.get("reason") or "")
    if not sender_domain:
        return SenderVerdict("bad", _("Does not say who it is from"), checks, why, reason)
    sender_domain = display_domain(sender_domain)
    if proven:
        return SenderVerdict("good", _("Really from %(domain)s", domain=sender_domain), checks, why, reason)
    if "fail" in (results.get("dmarc"), results.get("spf")):
        text = _("May not be from %(domain)s: the sender’s address could be forged", domain=sender_domain)
        return SenderVerdict("bad", text, checks, why, reason)
    text = _("Could not be verified as coming from %(domain)s", domain=sender_domain)
    return SenderVerdict("unknown", text, checks, why, reason)


def _signed_by(authentication: Mapping[str, Any], results: Mapping[str, str], domain: str) -> bool:
    """Whether the domain that people see, or one above it, signed the message, and DMARC does not object."""
    signers = authentication.get("dkim_domains")
    if results.get("dmarc") == "fail" or not isinstance(signers, list):
        return False
    return any(domain == signer or domain.endswith(f".{signer}") for signer in signers if isinstance(signer, str))
