"""Parameters of structured fields (RFC 2045 section 5.1, RFC 2231), and the file names that stand in them."""

from __future__ import annotations

import re
import urllib.parse

from onifast_shared.message import charsets

UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Characters that are not part of a name: controls, and what changes the direction of others."""

_PLAIN_PARAMETER = 60  # characters of a value that is written as it is
_MAX_FILENAME = 150  # characters, so that with UTF-8 and a prefix it still fits into a file system's 255 octets
_SEGMENT = re.compile(r'(?:[^;"\\]++|"(?:[^"\\]++|\\.)*"?+|\\)+', re.DOTALL)  # not possessive: see headers._HEAD_LINES
_CONTINUED = re.compile(r"([^*]+)\*([0-9]{1,3})(\*?)")
_WINDOWS_PATH = re.compile(r'"(?:[A-Za-z]:\\(?!\\)|\\\\[^"\\/]+\\[^"\\])')
_PATH = re.compile(r"[A-Za-z]:[/\\]|[/\\~.]")


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """The first word of a structured value and its parameters, lower-case names, RFC 2231 undone; never raises."""
    segments = _SEGMENT.findall(value)
    if not segments:
        return "", {}
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for segment in segments[1:200]:
        name, equals, text = segment.partition("=")
        name, text = name.strip().lower(), _parameter_value(text.strip())
        if not equals:
            continue
        if match := _CONTINUED.fullmatch(name):
            pieces.setdefault(match[1], {}).setdefault(int(match[2]), (bool(match[3]), text))
        elif name.endswith("*"):
            pieces.setdefault(name[:-1], {}).setdefault(0, (True, text))
        else:
            plain.setdefault(name, text)
    # The extended form wins over a plain one for old readers (RFC 6266 section 4.3 has it in words).
    return segments[0].strip(), plain | {name: _join(parts) for name, parts in pieces.items()}


def write_parameter(name: str, value: str) -> str:
    """`name=value` by RFC 2183, or by RFC 2231 in pieces where the value is long or not ASCII.

    A boundary stays in one piece whatever it is: many programs look for no other.
    """
    if value.isascii() and value.isprintable() and (len(value) <= _PLAIN_PARAMETER or name == "boundary"):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    encoded = "".join(_percent(octet) for octet in value.encode("utf-8", "replace"))
    pieces = re.findall(r"(?:%..|[^%]){1,20}", f"utf-8''{encoded}")
    if len(pieces) == 1:
        return f"{name}*={pieces[0]}"
    return "; ".join(f"{name}*{number}*={piece}" for number, piece in enumerate(pieces))


def unquote(text: str) -> str:
    """A quoted string without its quotes (RFC 5322 section 3.2.4), closed or not; any other text as it is."""
    if not text.startswith('"'):
        return text
    closed = len(text) > 1 and text.endswith('"')
    return re.sub(r"\\(.)", r"\1", text[1:-1] if closed else text[1:], flags=re.DOTALL)


def _parameter_value(text: str) -> str:
    # Internet Explorer put whole paths into its quotes, without a backslash before its backslashes.
    return text.strip('"') if _WINDOWS_PATH.match(text) else unquote(text)


def clean_filename(name: str) -> str:
    """A file name without path, control or direction characters, of bounded length; "" if nothing is left.

    Slashes within a name ("AC/DC 01/02.pdf") are part of it, and become underscores.
    """
    name = UNSAFE.sub("", name).strip()
    is_path = _PATH.match(name) is not None
    base = re.split(r"[/\\]", name)[-1] if is_path else re.sub(r"[/\\]", "_", name)
    base = base.strip().lstrip(".").strip()
    if len(base) <= _MAX_FILENAME:
        return base
    stem, dot, extension = base.rpartition(".")
    if not dot or len(extension) > 10:
        return base[:_MAX_FILENAME]
    return f"{stem[: _MAX_FILENAME - len(extension) - 1]}.{extension}"


def _percent(octet: int) -> str:
    character = chr(octet)
    return character if character.isascii() and (character.isalnum() or character in "-._~") else f"%{octet:02X}"


def _join(pieces: dict[int, tuple[bool, str]]) -> str:
    """A parameter from its continuations (RFC 2231 sections 3 and 4)."""
    charset, octets = "utf-8", b""
    for number, (encoded, text) in sorted(pieces.items()):
        if not encoded:
            octets += text.encode("utf-8", "surrogateescape")
            continue
        if number == 0 and text.count("'") >= 2:
            charset = text.partition("'")[0]
        octets += _unquoted(text.split("'", 2)[-1] if number == 0 else text)
    return charsets.decode(octets, charset)


def _unquoted(text: str) -> bytes:
    return urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
