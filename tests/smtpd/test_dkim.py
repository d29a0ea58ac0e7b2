"""DKIM: every tag of a signature and of its key's record is obeyed, over real DNS and by real SMTP."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver
from onifast_smtpd.authentication.dkim_check import DkimResult, check_dkim
from onifast_smtpd.authentication.lookup import Lookups
from onifast_smtpd.authentication.signature_rules import MAX_CLOCK_SKEW

from fakes.dns import DnsServer

from .helpers import World
from .signatures import handmade, public_record, signed, simply_signed

MESSAGE = b"From: Boss <boss@bank.test>\r\nTo: alice@here.test\r\nSubject: pay\r\n\r\nNow.\r\n"
NAME = "sel._domainkey.bank.test"
P = public_record().partition("p=")[2]
MALFORMED = P.replace("FAAOCAQ8A", "FAQ8A")  # its DER has contents where none may be
ANOTHER = public_record(rsa.generate_private_key(65537, 2048))
HOUR = 3600  # seconds


@pytest.fixture(autouse=True)
def zone(dns: DnsServer) -> None:
    """A signer's key, and what makes a message that it does not sign a forgery."""
    dns.set(NAME, "TXT", public_record())
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject")


@pytest.fixture
def lookups(settings: Settings, dns: DnsServer) -> Lookups:
    resolver = Resolver(replace(settings, dns_servers=((dns.host, dns.port),), dns_timeout=5.0))
    return Lookups(resolver.sync, 5.0, time.monotonic() + 60)


def result(lookups: Lookups, message: bytes) -> DkimResult:
    [found] = check_dkim(lookups, message)
    return found


def test_what_is_handmade_here_is_a_good_signature(lookups: Lookups) -> None:
    assert result(lookups, handmade(MESSAGE)).result == "pass"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (f"v=DKIM1; h=sha256; p={P}", ""),
        (f"v=DKIM1; h=sha1:sha256; p={P}", ""),
        (f"v=DKIM1; h=sha512 : sha256; p={P}", ""),
        (f"v=DKIM1; h=sha1; p={P}", "public key is not for signatures with this hash"),
        (f"v=DKIM1; h=; p={P}", "public key is not for signatures with this hash"),
        (f"v=DKIM1; s=email; p={P}", ""),
        (f"v=DKIM1; s=*; p={P}", ""),
        (f"v=DKIM1; s=email:x; p={P}", ""),
        (f"v=DKIM1; s=x : email; p={P}", ""),
        (f"v=DKIM1; s=tlsrpt:*; p={P}", ""),
        (f"v=DKIM1; s=x; p={P}", "public key is not for mail"),
        (f"v=DKIM1; s=tlsrpt; p={P}", "public key is not for mail"),
        (f"v=DKIM1; s=emails; p={P}", "public key is not for mail"),
        (f"k=rsa; p={P}", ""),
        (f"p={P}", ""),
        (f"p={P};", ""),
        (f"v=DKIM1; p={P[:80]} \t{P[80:]}; n=a note; unknown=1; g=other", ""),
        (f"v = DKIM1 ; p = {P}", ""),
        (f"k=rsa; v=DKIM1; p={P}", "what is in DNS is no public key"),
        (f"v=DKIM2; p={P}", "what is in DNS is no public key"),
        (f"v=dkim1; p={P}", "what is in DNS is no public key"),
        (f"v=; p={P}", "what is in DNS is no public key"),
        (f"v=DKIM1; p={P}; p={P}", "what is in DNS is no public key"),
        (f"v=DKIM1; t=s; t=y; p={P}", "what is in DNS is no public key"),
        (f"v=DKIM1; nonsense; p={P}", "what is in DNS is no public key"),
        ("v=DKIM1; k=rsa", "what is in DNS is no public key"),
        ("v=spf1 -all", "what is in DNS is no public key"),
        (f"v=DKIM1; n={'x' * 1000}; p={P}", "public key is too long"),
        ("v=DKIM1; p=", "public key has been revoked"),
        ("v=DKIM1; k=rsa; p= ;", "public key has been revoked"),
        (f"v=DKIM1; k=ed25519; p={P}", "public key is of another kind than the signature"),
        (f"v=DKIM1; k=RSA; p={P}", "public key is of another kind than the signature"),
        (f"v=DKIM1; k=dsa; p={P}", "public key is of another kind than the signature"),
        ("v=DKIM1; p=AAAA", "public key cannot be used"),
        (f"v=DKIM1; p={MALFORMED}", "public key cannot be used"),
        (f"v=DKIM1; t=y; p={P}", ""),
        (f"v=DKIM1; t=s; p={P}", ""),
        (f"v=DKIM1; t=x:s:y; p={P}", ""),
    ],
)
def test_the_tags_of_a_key_are_obeyed(lookups: Lookups, dns: DnsServer, record: str, reason: str) -> None:
    dns.set(NAME, "TXT", record)
    found = result(lookups, handmade(MESSAGE))
    if reason:
        assert (found.result != "pass", found.reason) == (True, reason)
    else:
        assert found.result == "pass", found.reason


@pytest.mark.parametrize(
    "others",
    [
        ("v=spf1 -all",),
        ("v=spf1 -all", "google-site-verification=x", "v=DKIM2; p=AAAA"),
        ("v=DKIM1; p=",),
        (ANOTHER,),
        (ANOTHER, "v=DKIM1; s=x; p=AAAA", "v=DKIM1; p=AAAA"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_key_is_found_among_several_records(
    lookups: Lookups, dns: DnsServer, others: tuple[str, ...], first: bool
) -> None:
    dns.set(NAME, "TXT", *((public_record(), *others) if first else (*others, public_record())))
    assert result(lookups, handmade(MESSAGE)).result == "pass"


def test_a_text_that_was_changed_does_not_pass_by_a_second_key(lookups: Lookups, dns: DnsServer) -> None:
    for others in ((ANOTHER,), ("v=DKIM1; p=AAAA",), ("v=DKIM1; p=AAAA", ANOTHER), (f"v=DKIM1; p={MALFORMED}",)):
        dns.set(NAME, "TXT", *others, public_record())
        changed = handmade(MESSAGE).replace(b"Now.", b"Never.")
        assert (result(lookups, changed).result, result(lookups, changed).reason) == (
            "fail",
            "body hash does not match",
        )


def test_a_bad_key_beside_others_that_are_no_keys_stays_bad(lookups: Lookups, dns: DnsServer) -> None:
    dns.set(NAME, "TXT", "v=spf1 -all", f"v=DKIM1; h=sha1; p={P}")
    assert result(lookups, handmade(MESSAGE)).reason == "public key is not for signatures with this hash"


@pytest.mark.parametrize(
    ("identity", "flags", "passes"),
    [
        ("boss@bank.test", "s", True),
        ("@BANK.test", "s", True),
        ("boss@news.bank.test", "s", False),
        ("@news.bank.test", "y:s", False),
        ("boss@news.bank.test", "", True),
        ("@news.bank.test", "y", True),
        ('"a@b"@bank.test', "s", True),
        ("boss@evilbank.test", "", False),
        ("boss@bank.test.evil.test", "", False),
        ("boss@test", "", False),
        (".bank.test", "", False),
        ("news.bank.test", "", False),
        ("bank.test", "", False),
        ("", "", False),
    ],
)
def test_a_signature_speaks_for_its_own_domain_and_those_below_unless_the_key_says_otherwise(
    lookups: Lookups, dns: DnsServer, identity: str, flags: str, passes: bool
) -> None:
    dns.set(NAME, "TXT", f"v=DKIM1; t={flags}; p={P}")
    assert (result(lookups, handmade(MESSAGE, i=identity)).result == "pass") is passes


@pytest.mark.parametrize(
    ("made", "expires", "passes"),
    [
        (-10 * HOUR, HOUR, True),
        (-10 * HOUR, -MAX_CLOCK_SKEW // 2, True),
        (-10 * HOUR, -2 * MAX_CLOCK_SKEW, False),
        (None, -HOUR, False),
        (None, HOUR, True),
        (MAX_CLOCK_SKEW // 2, None, True),
        (HOUR, None, False),
        (-HOUR, -2 * HOUR, False),
    ],
)
def test_a_signature_counts_from_when_it_was_made_until_it_expires(
    lookups: Lookups, made: int | None, expires: int | None, passes: bool
) -> None:
    now = int(time.time())
    times = {"t": None if made is None else str(now + made), "x": None if expires is None else str(now + expires)}
    assert (result(lookups, handmade(MESSAGE, **times)).result == "pass") is passes


@pytest.mark.parametrize(
    "tags",
    [
        {"v": "2"},
        {"v": None},
        {"h": "to:subject"},
        {"h": "fro:m"},
        {"h": ""},
        {"h": None},
        {"a": "rsa-sha512"},
        {"a": "ed25519-sha256"},
        {"a": None},
        {"d": None},
        {"s": None},
        {"bh": None},
        {"x": "soon"},
        {"t": "now"},
        {"x": "9" * 5000},
        {"l": "all"},
        {"l": ""},
        {"l": "4"},
        {"l": "7"},
        {"q": "http"},
        {"c": "nowsp"},
    ],
    ids=str,
)
def test_a_signature_with_a_wrong_tag_does_not_pass(lookups: Lookups, tags: dict[str, str | None]) -> None:
    assert result(lookups, handmade(MESSAGE, **tags)).result in ("permerror", "policy", "fail")


@pytest.mark.parametrize("tags", [{"l": "6"}, {"z": "From:x"}, {"unknown": "1"}, {"q": "dns/txt"}, {"h": "FROM:tO"}])
def test_tags_that_are_well_are_no_obstacle(lookups: Lookups, tags: dict[str, str]) -> None:
    assert result(lookups, handmade(MESSAGE, **tags)).result == "pass"


def test_a_tag_that_stands_twice_makes_a_signature_void(lookups: Lookups) -> None:
    message = handmade(MESSAGE, n="1; s=sel")
    assert result(lookups, message).result == "permerror"


@pytest.mark.parametrize("hashes", ["", "h=sha1; ", "h=sha256; ", "h=sha1:sha256; "])
def test_rsa_sha1_never_passes(lookups: Lookups, dns: DnsServer, hashes: str) -> None:
    dns.set(NAME, "TXT", f"v=DKIM1; {hashes}p={P}")
    found = result(lookups, handmade(MESSAGE, a="rsa-sha1"))
    assert (found.result, found.reason) == ("permerror", "rsa-sha1 is no longer safe")
    by_dkimpy = result(lookups, signed(MESSAGE, signature_algorithm=b"rsa-sha1"))
    assert by_dkimpy.result == "permerror"


def test_an_rsa_signature_is_not_tried_with_an_ed25519_key(lookups: Lookups, dns: DnsServer) -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    dns.set(NAME, "TXT", f"v=DKIM1; k=ed25519; p={base64.b64encode(key).decode()}")
    assert result(lookups, handmade(MESSAGE)).reason == "public key is of another kind than the signature"


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"Subject:", b"Subject :"), (b"From:", b"from \t:"), (b"pay", b"pay \t"), (b"To: ", b"To:\t \r\n  ")],
)
def test_white_space_may_have_come_into_a_header(lookups: Lookups, before: bytes, after: bytes) -> None:
    signature, _, fields = handmade(MESSAGE).partition(b"From:")
    assert result(lookups, signature + (b"From:" + fields).replace(before, after)).result == "pass"


@pytest.mark.parametrize(
    "added", [b"From : ceo@bank.test\r\n", b"from\t: ceo@bank.test\r\n", b"From: ceo@bank.test\r\n"]
)
def test_a_second_from_does_not_hide_behind_a_blank(lookups: Lookups, added: bytes) -> None:
    assert result(lookups, added + handmade(MESSAGE)).result == "fail"


@pytest.mark.parametrize("subject", [b"pay\x0c", b"\x0bpay \x0c", b"p\x0b \x0cay"])
def test_vertical_tabs_and_form_feeds_are_no_white_space(lookups: Lookups, subject: bytes) -> None:
    assert result(lookups, handmade(MESSAGE.replace(b"pay", subject))).result == "pass"


@pytest.mark.parametrize(
    "forged",
    [
        handmade(MESSAGE, a="rsa-sha1"),
        handmade(MESSAGE, x="1"),
        handmade(MESSAGE, h="to:subject"),
        handmade(MESSAGE, l="0") + b"And send it to me.\r\n",
    ],
    ids=["SHA-1", "expired", "From is not signed", "no text is signed"],
)
async def test_dmarc_refuses_what_such_a_signature_vouches_for(world: World, forged: bytes) -> None:
    async with await world.client() as client:
        reply = await client.deliver("someone@open.test", "alice@here.test", message=forged)
    assert reply.startswith("550 5.7.1 DMARC policy of bank.test"), reply


async def test_dmarc_passes_by_a_key_that_stands_among_other_records(world: World, dns: DnsServer) -> None:
    dns.set(NAME, "TXT", "v=spf1 -all", f"v=DKIM1; h=sha256; s=email:x; t=s; p={P}")
    async with await world.client() as client:
        reply = await client.deliver("someone@open.test", "alice@here.test", message=handmade(MESSAGE))
    assert reply.startswith("250 "), reply


SINGLE = [b"Subject", b"Date", b"Reply-To", b"Sender", b"Message-ID", b"Content-Type", b"Content-Transfer-Encoding"]


@pytest.mark.parametrize("name", SINGLE)
def test_no_second_field_can_be_put_above_a_signed_one(lookups: Lookups, name: bytes) -> None:
    message = MESSAGE.replace(b"Subject: ", name + b": x\r\nX-Subject: ")
    good = handmade(message, h=f"from:{name.decode()}")
    assert result(lookups, good).result == "pass"
    assert result(lookups, name + b": other\r\n" + good).result == "fail"


def test_a_field_that_its_signer_wrote_twice_is_signed_twice(lookups: Lookups) -> None:
    assert result(lookups, signed(b"Subject: other\r\n" + MESSAGE)).result == "pass"


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t "])
def test_the_simple_form_keeps_white_space_before_a_colon(lookups: Lookups, space: bytes) -> None:
    message = MESSAGE.replace(b"Subject:", b"Subject%b:" % space)
    good = simply_signed(message)
    assert result(lookups, good).result == "pass"
    assert result(lookups, good.replace(b"Subject%b:" % space, b"Subject:")).result == "fail"
    assert result(lookups, b"Subject : other\r\n" + good).result == "fail"


BLANK = b"\r\n ".join([b" " * 60] * 1900)


@pytest.mark.parametrize(
    "tags",
    [
        b"h=from; b=A" + b" " * 100_000 + b"!",
        b"h=from; b=A" + BLANK + b"!",
        b"h=from; b=AAAA; z= b" + BLANK + b"x",
        b"h=from" + b" " * 100_000 + b"x; b=AAAA",
        b"h=from" + b":x" * 50_000 + b"; b=AAAA",
        b"h=from; b=" + b"A " * 50_000,
    ],
    ids=["blanks", "folds", "folds behind a b", "blanks in names", "names", "blanks in the signature"],
)
def test_a_hostile_signature_costs_no_time(lookups: Lookups, tags: bytes) -> None:
    body_hash = handmade(MESSAGE).partition(b"bh=")[2].partition(b";")[0]
    head = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=bank.test; s=sel; bh=" + body_hash + b"; " + tags
    started = time.process_time()
    assert result(lookups, head + b"\r\n" + MESSAGE).result != "pass"
    assert time.process_time() - started < 1
