"""DMARC without I/O: records, alignment, policies."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values.suffixes import suffixes
from onifast_smtpd.authentication.dmarc import (
    ApplicablePolicy,
    DmarcRecord,
    DmarcResult,
    Identifier,
    UnusableRecord,
    choose,
    evaluate,
    is_aligned,
    milder,
    parse,
    strictest,
)
from onifast_smtpd.authentication.dmarc_check import MAX_AUTHORS, author_domains, authors

NOBODY = Identifier("", "none")


def record(text: str) -> DmarcRecord:
    found = parse(text)
    assert found is not None
    return found


def result(text: str, *, spf: Identifier = NOBODY, dkim: tuple[Identifier, ...] = (), sample: int = 0) -> DmarcResult:
    found = record(text)
    return evaluate(suffixes(), "bank.test", ApplicablePolicy(found, found.policy), spf=spf, dkim=dkim, sample=sample)


def test_a_record_with_every_tag_is_understood() -> None:
    found = record("v=DMARC1; p=reject; sp=quarantine; np=reject; adkim=s; aspf=s; pct=40; rua=mailto:r@bank.test")
    assert (found.policy, found.subdomain_policy, found.missing_policy) == ("reject", "quarantine", "reject")
    assert (found.strict_dkim, found.strict_spf, found.percent) == (True, True, 40)
    assert found.reports_to == "mailto:r@bank.test"


def test_a_record_has_the_defaults_of_the_rfc() -> None:
    found = record("v=DMARC1;p=Quarantine")
    assert (found.policy, found.subdomain_policy, found.missing_policy) == ("quarantine",) * 3
    assert (found.strict_dkim, found.strict_spf, found.percent) == (False, False, 100)


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 -all",
        "p=reject; v=DMARC1",
        "v=DMARC2; p=reject",
        "v=dmarc1; p=reject",
        "v=DMARC1",
        "v=DMARC1; adkim=s",
        "v=DMARC1; sp=reject",
        "v=DMARC1; rua=https://bank.test",
        "v=DMARC1; p=all",
        "v=DMARC1; p=",
        "v=DMARC1; p=reject; sp=nonsense",
        "v=DMARC1; p=reject; np=maybe",
        "V=DMARC1x; p=reject",
    ],
)
def test_what_cannot_be_used_is_no_record(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("tags", ["p=refuse", "p=reject; sp=refuse", "p=reject; sp=reject; np=refuse"])
def test_a_bad_policy_asks_for_nothing_where_reports_are_wanted(tags: str) -> None:
    found = record(f"v=DMARC1; {tags}; rua=mailto:r@bank.test")
    assert (found.policy, found.subdomain_policy, found.missing_policy) == ("none",) * 3


def test_no_policy_is_none_where_reports_are_wanted_and_may_yet_be_one_for_subdomains() -> None:
    assert record("v=DMARC1; rua=mailto:r@bank.test").policy == "none"
    found = record("V = DMARC1; sp=reject; rua=mailto:r@bank.test")
    assert (found.policy, found.subdomain_policy, found.missing_policy) == ("none", "reject", "reject")


@pytest.mark.parametrize(
    ("tag", "psd"), [("psd=y", "y"), ("psd=N", "n"), ("psd=u", "u"), ("psd=yes", "u"), ("psd=", "u"), ("", "u")]
)
def test_whether_a_record_is_a_public_suffixs(tag: str, psd: str) -> None:
    assert record(f"v=DMARC1; p=reject; {tag}").psd == psd


@pytest.mark.parametrize(
    ("tags", "percent"),
    [("t=y", 0), ("t=Y; pct=100", 0), ("t=n; pct=10", 100), ("pct=10", 10), ("t=x; pct=10", 10), ("t=", 100)],
)
def test_a_record_that_is_being_tested_is_meant_for_nobody(tags: str, percent: int) -> None:
    assert record(f"v=DMARC1; p=reject; {tags}").percent == percent


@pytest.mark.parametrize(
    "tag", ["pct=120", "pct=-1", "pct=all", "adkim=x", "t=maybe", "psd=x", "unknown=1", "noequals", ""]
)
def test_a_bad_tag_counts_as_missing(tag: str) -> None:
    found = record(f"v=DMARC1; p=reject; {tag}")
    assert (found.percent, found.strict_dkim, found.missing_policy) == (100, False, "reject")


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_fail(tail: str) -> None:
    parse("v=DMARC1; " + tail)
    parse(tail)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["v=DMARC1; p=reject", "v=DMARC1; p=none"], "has several DMARC records"),
        (["v=DMARC1; p=reject", "v=DMARC1; p=reject"], "has several DMARC records"),
        (["v=spf1 -all", "v=DMARC1; p=all"], "has a DMARC record that cannot be used"),
    ],
)
def test_something_that_is_meant_as_a_record_is_not_passed_over(texts: list[str], problem: str) -> None:
    with pytest.raises(UnusableRecord, match=problem):
        choose(texts)


def test_other_text_beside_the_record_does_not_matter() -> None:
    found = choose(["v=spf1 -all", "v=DMARC1; p=reject"])
    assert found
    assert found.policy == "reject"


@pytest.mark.parametrize(
    ("author", "authenticated", "relaxed", "strict"),
    [
        ("bank.test", "bank.test", True, True),
        ("bank.test", "mail.bank.test", True, False),
        ("news.bank.test", "mail.bank.test", True, False),
        ("bank.co.uk", "evil.co.uk", False, False),
        ("bank.test", "evilbank.test", False, False),
        ("me.github.io", "you.github.io", False, False),
        ("bank.test", "", False, False),
    ],
)
def test_alignment(author: str, authenticated: str, relaxed: bool, strict: bool) -> None:
    assert is_aligned(suffixes(), author, authenticated, strict=False) is relaxed
    assert is_aligned(suffixes(), author, authenticated, strict=True) is strict


def test_an_aligned_spf_pass_is_enough() -> None:
    found = result("v=DMARC1; p=reject", spf=Identifier("mail.bank.test", "pass"), dkim=(Identifier("x.test", "fail"),))
    assert (found.result, found.spf_aligned, found.dkim_aligned) == ("pass", True, False)


def test_one_aligned_signature_among_several_is_enough() -> None:
    signatures = (Identifier("list.test", "pass"), Identifier("bank.test", "fail"), Identifier("bank.test", "pass"))
    assert result("v=DMARC1; p=reject", dkim=signatures).result == "pass"


def test_a_pass_for_somebody_else_does_not_count() -> None:
    found = result("v=DMARC1; p=reject", spf=Identifier("evil.test", "pass"), dkim=(Identifier("evil.test", "pass"),))
    assert (found.result, found.disposition) == ("fail", "reject")


def test_strict_alignment_refuses_what_relaxed_would_take() -> None:
    assert result("v=DMARC1; p=reject; aspf=s", spf=Identifier("mail.bank.test", "pass")).result == "fail"
    assert result("v=DMARC1; p=reject; adkim=s", dkim=(Identifier("mail.bank.test", "pass"),)).result == "fail"


@pytest.mark.parametrize("kind", ["spf", "dkim"])
def test_dns_trouble_with_a_check_that_could_have_passed_is_no_failure(kind: str) -> None:
    trouble = Identifier("bank.test", "temperror")
    found = result(
        "v=DMARC1; p=reject",
        spf=trouble if kind == "spf" else NOBODY,
        dkim=(trouble,) if kind == "dkim" else (),
    )
    assert (found.result, found.disposition) == ("temperror", "none")


def test_dns_trouble_of_somebody_else_excuses_nothing() -> None:
    assert result("v=DMARC1; p=reject", spf=Identifier("evil.test", "temperror")).result == "fail"


@pytest.mark.parametrize(
    ("sample", "disposition"), [(0, "reject"), (29, "reject"), (30, "quarantine"), (99, "quarantine")]
)
def test_what_pct_leaves_out_gets_the_next_milder_policy(sample: int, disposition: str) -> None:
    found = result("v=DMARC1; p=reject; pct=30", sample=sample)
    assert (found.result, found.disposition) == ("fail", disposition)
    assert found.spared_by == ("" if disposition == "reject" else "sampled_out")


@pytest.mark.parametrize(
    ("policy", "disposition"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")]
)
def test_a_policy_that_is_being_tested_counts_one_step_less(policy: str, disposition: str) -> None:
    found = result(f"v=DMARC1; p={policy}; t=y", sample=0)
    assert (found.result, found.disposition) == ("fail", disposition)
    assert found.spared_by == ("" if policy == "none" else "policy_test_mode")


def test_milder_policies() -> None:
    assert [milder(policy) for policy in ("reject", "quarantine", "none")] == ["quarantine", "none", "none"]


def test_the_failure_that_asks_for_most_decides_among_several_authors() -> None:
    mild = DmarcResult("fail", "a.test", disposition="quarantine")
    hard = DmarcResult("fail", "b.test", disposition="reject")
    assert strictest([DmarcResult("pass", "c.test"), hard]) == hard
    assert strictest([DmarcResult("pass", "c.test"), hard, mild]) == replace(hard, is_alone=False)
    assert strictest([DmarcResult("pass", "c.test"), DmarcResult("none", "d.test")]).domain == "d.test"


@pytest.mark.parametrize(
    ("values", "domains"),
    [
        (["Bank <info@bank.test>"], ["bank.test"]),
        (['"a@b.test" <info@BANK.test.>'], ["bank.test"]),
        (["a@one.test, b@two.test, c@one.test"], ["one.test", "two.test"]),
        (["a@one.test", "b@two.test"], ["one.test", "two.test"]),
        (["Bücher <a@bücher.test>"], ["xn--bcher-kva.test"]),
        (["nobody"], None),
        (["Bank <>"], None),
        ([""], None),
        (["a@one.test, b"], None),
        # Readers begin at either end of what is no address.
        (["<a@one.test> <b@two.test>"], ["one.test", "two.test"]),
        (["a@one.test b@two.test"], ["one.test", "two.test"]),
        (["a@one.test@two.test"], ["one.test", "two.test"]),
        (["a@one.test: b@two.test;"], ["one.test", "two.test"]),
        (["<a@one.test:b@two.test>"], ["one.test", "two.test"]),
        ([r"<a@one.test\><b@two.test>"], ["one.test", "two.test"]),
        (["a@one.test )b@two.test("], ["one.test", "two.test"]),
        (['"a@one.test": b@two.test;'], None),
        (['"a@one.test"@two.test'], ["two.test"]),
        (["Ann Smith ann@one.test"], ["one.test"]),
        (["Ann <ann> <ann@one.test>"], ["one.test"]),
    ],
)
def test_the_domains_of_from(values: list[str], domains: list[str] | None) -> None:
    assert author_domains(values) == domains


@pytest.mark.parametrize(
    "head",
    [
        b"From: " + b",".join(b"a@b%d.test" % number for number in range(60_000)) + b"\r\n",
        b"From: " + b"a@b.test," * 100_000 + b"\r\n",
        b"From: a@b.test\r\n" * 60_000,
        b"X:\r\n" * 1_000_000 + b"From: a@b.test\r\n",
        b"From" + b"\0 " * 200_000 + b"\r\n",
        b"\0" * 400_000 + b"From\r\n",
        (b"from" + b"\0" * 50) * 8_000,
    ],
)
def test_a_from_without_end_is_not_looked_through(head: bytes) -> None:
    started = time.process_time()
    found = authors(head)
    assert found.failure is not None
    assert found.failure.result == "permerror"
    assert time.process_time() - started < 1


def test_no_more_authors_are_told_apart_than_are_looked_up() -> None:
    domains = author_domains([",".join(f"a@b{number}.test" for number in range(1000))])
    assert domains is not None
    assert len(domains) == MAX_AUTHORS + 1
