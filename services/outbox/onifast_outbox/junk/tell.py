"""How a junk filter elsewhere is taught a message in a user's name: spamd's TELL, and rspamd's controller.

spamd must run with `--allow-tell` and know its users; rspamd needs statistics per user, which go by the recipient
whom a message is delivered to.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from onifast_shared.junk.exchange import ScanTrouble, exchange
from onifast_shared.junk.lessons import Lesson
from onifast_shared.machine.setting_types import ScannerAddress

_SPAMD_DONE = re.compile(rb"SPAMD/[0-9.]+ 0 ")
_SPAMD_CLASSES = {"junk": "spam", "good": "ham"}
_RSPAMD_PATHS = {"junk": "/learnspam", "good": "/learnham"}
# rspamd answers 208 for what it has learned before.
_RSPAMD_DONE = re.compile(rb"HTTP/1\.[01] 20[0-9]\b")


async def teach(where: ScannerAddress, lesson: Lesson, raw: bytes, timeout: float) -> None:
    """Teaches a filter a message, in its owner's name. Raises OSError, TimeoutError, ScanTrouble."""
    async with asyncio.timeout(timeout):
        if where.protocol == "spamd":
            await _tell_spamd(where, lesson, raw)
        else:
            await _tell_rspamd(where, lesson, raw)


async def _tell_spamd(where: ScannerAddress, lesson: Lesson, raw: bytes) -> None:
    """What was learned as the other class spamd forgets by itself; '' has it forget the message."""
    what = f"Message-class: {_SPAMD_CLASSES[lesson.wanted]}\r\nSet: local" if lesson.wanted else "Remove: local"
    head = f"TELL SPAMC/1.5\r\nUser: {lesson.owner}\r\n{what}\r\nContent-length: {len(raw)}\r\n\r\n"
    answer = await exchange(where.host, where.port, head.encode() + raw)
    # Nothing changes for a message that it has learned before; that is no trouble.
    if not _SPAMD_DONE.match(answer):
        raise ScanTrouble(f"spamd answers {answer[:60]!r}")


async def _tell_rspamd(where: ScannerAddress, lesson: Lesson, raw: bytes) -> None:
    """rspamd forgets nothing but what it learns as the other class: whoever takes a move back teaches the other one."""
    path = _RSPAMD_PATHS[lesson.wanted or ("good" if lesson.learned == "junk" else "junk")]
    head = (
        f"POST {path} HTTP/1.0\r\nHost: {where.host}\r\nContent-Length: {len(raw)}\r\n"
        f"Deliver-To: {quote(lesson.owner)}\r\n\r\n"
    )
    answer = await exchange(where.host, where.port, head.encode() + raw)
    if not _RSPAMD_DONE.match(answer):
        raise ScanTrouble(f"rspamd answers {answer[:60]!r}")
