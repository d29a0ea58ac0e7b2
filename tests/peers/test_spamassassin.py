"""The real SpamAssassin: tells a message that lacks everything from a whole one."""

from collections.abc import Iterator

import pytest

from peers.spamassassin import SpamAssassin

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.fixture(scope="module")
def spamassassin() -> Iterator[SpamAssassin]:
    with SpamAssassin() as running:
        yield running


def test_names_what_a_message_lacks(spamassassin: SpamAssassin) -> None:
    scored = spamassassin.score(b"Subject: hello\r\n\r\nText\r\n")
    assert {"MISSING_DATE", "MISSING_FROM", "MISSING_MID", "NO_RECEIVED"} <= set(scored.rules)
    assert scored.points > 5


def test_knows_its_own_test_message(spamassassin: SpamAssassin) -> None:
    gtube = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    assert "GTUBE" in spamassassin.score(b"Subject: hello\r\n\r\n" + gtube + b"\r\n").rules
