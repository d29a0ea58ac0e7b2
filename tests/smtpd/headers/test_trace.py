"""Trace headers made from values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.message import authentication_results
from onifast_shared.message.headers import unfold
from onifast_shared.message.sections import HeaderSection
from onifast_shared.values.address import Address
from onifast_smtpd.authentication.arc_check import Seal
from onifast_smtpd.authentication.verify import (
    ArcResult,
    Authentication,
    DkimResult,
    DmarcResult,
    IprevResult,
    SpfResult,
)
from onifast_smtpd.clients.client import Client, Origin, Service, Tls
from onifast_smtpd.headers import trace

CLIENT = Client(Service.MX, ip_address("192.0.2.7"), 1, is_loopback=False, is_trusted=False)
ORIGIN = Origin("s", CLIENT, "client.test", extended=True)
HOP = trace.TraceInformation(ORIGIN, "mail.host.test", "s.1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")
USER = PanelUser("alice", is_admin=False, disabled=False, password_hash=None)


HOSTILE = st.text(st.sampled_from('abc.@;=()"\\ \r\n\t\0ü\u2028<>dmarcpass'), max_size=40)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_whatever_a_sender_wrote_our_results_are_read_as_they_are(one: str, two: str, three: str, four: str) -> None:
    spf = SpfResult("fail", "mailfrom", "x", "192.0.2.7", f'"; dmarc=pass header.from=bank.test{one}"@x.test', two)
    checked = Authentication(
        spf,
        (DkimResult("fail", two, three, four, one),),
        DmarcResult("fail", "bank.test", problem=three),
        ArcResult("fail", reason=four),
        IprevResult("fail", "192.0.2.7", one),
    )
    field = trace.authentication_results(checked, "mail.host.test")
    found = authentication_results.parse(unfold(field.partition(b":")[2]))
    assert found.authserv_id == "mail.host.test"
    assert [(item.method, item.result) for item in found.results] == [
        (method, "fail") for method in ("spf", "dkim", "dmarc", "arc", "iprev")
    ]
    assert found.results[2].properties == (("header.from", "bank.test"),)


@pytest.mark.parametrize(
    ("extended", "tls", "user", "smtputf8", "keyword"),
    [
        (False, None, None, False, "SMTP"),
        (True, None, None, False, "ESMTP"),
        (True, TLS, None, False, "ESMTPS"),
        (True, None, USER, False, "ESMTPA"),
        (True, TLS, USER, False, "ESMTPSA"),
        (True, None, None, True, "UTF8SMTP"),
        (True, TLS, USER, True, "UTF8SMTPSA"),
    ],
)
def test_protocol_keywords(
    extended: bool, tls: Tls | None, user: PanelUser | None, smtputf8: bool, keyword: str
) -> None:
    origin = replace(ORIGIN, extended=extended, tls=tls, user=user)
    assert trace.protocol(replace(HOP, origin=origin, smtputf8=smtputf8)) == keyword


def test_received() -> None:
    hop = replace(HOP, origin=replace(ORIGIN, tls=TLS), recipient=Address("alice", "here.test"))
    assert trace.received(hop) == (
        b"Received: from client.test ([192.0.2.7])\r\n"
        b"\tby mail.host.test (onifast-mail) with ESMTPS id s.1\r\n"
        b"\tfor <alice@here.test>\r\n"
        b"\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3);\r\n"
        b"\tFri, 02 Jan 2026 03:04:05 +0000\r\n"
    )


@pytest.mark.parametrize("helo", ["a;b", "(x", "ä.test", "-", "[1.2.3.4", "a,b"])
def test_a_name_that_is_none_is_not_repeated(helo: str) -> None:
    assert trace.received(replace(HOP, origin=replace(ORIGIN, helo=helo))).startswith(
        b"Received: from unknown ([192.0.2.7])\r\n"
    )


@pytest.mark.parametrize("helo", ["client.test", "under_score", "[192.0.2.7]", "[IPv6:2001:db8::1]"])
def test_a_name_or_an_address_literal_is(helo: str) -> None:
    assert f"from {helo} (".encode() in trace.received(replace(HOP, origin=replace(ORIGIN, helo=helo)))


def test_an_ipv6_client_is_marked_as_one() -> None:
    origin = replace(ORIGIN, client=replace(CLIENT, ip=ip_address("2001:db8::1")))
    assert b"([IPv6:2001:db8::1])" in trace.received(replace(HOP, origin=origin))


def test_results_that_a_sender_chose_cannot_break_out_of_their_field() -> None:
    spf = SpfResult("permerror", "mailfrom", "x", "192.0.2.7", 'a"\\b;c@x.test', "h(;", "", "bad\r\nX: y (")
    checked = Authentication(
        spf,
        (DkimResult("fail", 'd"; spf=pass', "s\r\nX: y", "b;(", "why) (not\r\nX: y"),),
        DmarcResult("temperror", problem="x\r\nX: y) ; spf=pass"),
        ArcResult("pass", (Seal("s) ; spf=pass (\r\nX: y"),)),
        IprevResult("fail", "192.0.2.7", "n) ; spf=pass (\r\nX: y"),
    )
    for field in (trace.received_spf(spf, "mail.host.test"), trace.authentication_results(checked, "mail.host.test")):
        assert b"\nX:" not in field
        assert field.count(b"\r\n") == field.count(b"\n") == field.count(b"\r\n\t") + 1
    results = trace.authentication_results(checked, "mail.host.test")
    assert rb'smtp.mailfrom="a\"\\b;c@x.test"' in results
    assert rb'header.d="d\"; spf=pass"' in results
    assert b"arc=pass (sealed by s] ; spf=pass [ X: y);" in results
    assert b"iprev=fail (n] ; spf=pass [ X: y) policy.iprev=192.0.2.7" in results


def test_received_fields_are_counted_whatever_their_case() -> None:
    head = HeaderSection(b"Received: a\r\nRECEIVED: b\r\nX: y\r\n received: folded\r\n")
    assert trace.count_received(head) == 2
