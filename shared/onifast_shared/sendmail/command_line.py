"""What a caller of sendmail asks for: the options that programs use, in all the ways in which they write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_WITH_VALUE = "BCDFNORVXfhopqr"  # of sendmail's; those that say nothing to us are read and passed over
_MODES = {"m": "deliver", "s": "speak", "p": "list", "i": "nothing", "d": "nothing", "D": "nothing", "h": "nothing"}


class BadOption(ValueError):
    """An option that sendmail does not have. The text is a sentence."""


@dataclass(frozen=True)
class SendmailWish:
    """`mode`: `deliver` a message, `speak` SMTP, `list` what waits, or do `nothing`. "" of a name or sender is unsaid.

    `dot_ends` says that a line with a dot alone ends the message; `from_header` that its header names recipients.
    """

    mode: str = "deliver"
    recipients: tuple[str, ...] = ()
    from_header: bool = False
    dot_ends: bool = True
    sender: str = ""
    full_name: str = ""


def parse(arguments: Sequence[str]) -> SendmailWish:
    """Reads `-fann@x.test`, `-f ann@x.test`, `-ti` and the like. Raises BadOption."""
    wish, rest = SendmailWish(), list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        wish = _with_option(wish, word[1:], rest)
    return replace(wish, recipients=tuple(rest))


def _with_option(wish: SendmailWish, letters: str, rest: list[str]) -> SendmailWish:
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == "b":
            return _with_mode(wish, letters)
        if letter in _WITH_VALUE:
            value = letters or (rest.pop(0) if letter not in "oq" and rest else "")
            return _with_value(wish, letter, value)
        match letter:
            case "t":
                wish = replace(wish, from_header=True)
            case "i":
                wish = replace(wish, dot_ends=False)
            case "v" | "n" | "m" | "G" | "U" | "x" | "s" | "e" | "E" | "L":
                if letter in "eL":  # -em and the like: how errors are told, which is by the exit status here
                    return wish
            case _:
                raise BadOption(f"there is no option -{letter}")
    return wish


def _with_mode(wish: SendmailWish, letters: str) -> SendmailWish:
    if letters[:1] not in _MODES:
        raise BadOption(f"there is no mode -b{letters}")
    return replace(wish, mode=_MODES[letters[0]])


def _with_value(wish: SendmailWish, letter: str, value: str) -> SendmailWish:
    match letter:
        case "f" | "r":
            return replace(wish, sender="<>" if value.strip() in ("", "<>") else value.strip().strip("<>"))
        case "F":
            return replace(wish, full_name=value)
        case "o" if value == "i":
            return replace(wish, dot_ends=False)
        case "q":
            return replace(wish, mode="nothing")
        case _:
            return wish
