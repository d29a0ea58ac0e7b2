"""Header sections written so that every verifier reads them alike: what RFC 5322 allows in old mail only is mended.

White space before a colon (section 4.5) is a broken line for some. VT and FF (section 4.1) are white space to some and
not to others: OpenDKIM finds no signature good over a field that has one, dkimpy and Mail::DKIM none where a value
begins or ends with one. In a text they are no obstacle, and stay.
"""

from __future__ import annotations

import re

from onifast_shared.dkim.white_space import close_names
from onifast_shared.message.headers import head_within, may_have

MAX_HEAD = 128 * 1024  # octets; what is longer goes out as it is

_EMPTY_FOLD = re.compile(rb"\r\n[ \t]++(?=\r\n)")
_BLANKS = bytes.maketrans(b"\x0b\x0c", b"  ")


def mend_header(message: bytes, *, unless_signed: bool) -> bytes:
    """The message, whose line ends are CRLF, with such a header section; the same object if it has one.

    With `unless_signed`, one that has a DKIM signature stays as it is: somebody else's may cover each octet.
    """
    head = head_within(message, MAX_HEAD)
    if head is None or (unless_signed and may_have(head, [b"dkim-signature"])):
        return message
    mended = close_names(head)
    if b"\x0b" in mended or b"\x0c" in mended:
        # A line of nothing but white space would end the header for some.
        mended = _EMPTY_FOLD.sub(b"", mended.translate(_BLANKS))
    return message if mended == head else mended + message[len(head) :]
