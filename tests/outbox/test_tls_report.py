"""The JSON and the mail of a TLS report (RFC 8460), read by independent means."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import time
from typing import Any

import pytest
from onifast_outbox.tls_policy.report import DayReport, ReportDestination, Reporter, build, build_message, parse_record
from onifast_outbox.tls_policy.reporting import SPREAD_SECONDS, due_at
from onifast_shared.tls.results import DAY, PolicyUsed, SessionResult, day_begins
from onifast_shared.values.address import Address

REPORTER = Reporter("mail.host.test")
STS = PolicyUsed("sts", ("version: STSv1", "mode: testing", "mx: *.remote.test", "max_age: 86400"), ("*.remote.test",))
RESULTS = {
    SessionResult("remote.test", STS, mx_host="mx.remote.test"): 5,
    SessionResult("remote.test", STS, mx_host="mx2.remote.test"): 2,
    SessionResult("remote.test", STS, "certificate-expired", "192.0.2.1", "mx.remote.test", "192.0.2.9", "old"): 3,
    SessionResult("remote.test", PolicyUsed("tlsa", ("3 1 1 abcd",)), mx_host="mx.remote.test"): 1,
}


def mailbox(text: str) -> ReportDestination:
    return ReportDestination(f"mailto:{text}", Address.parse(text))


@pytest.mark.parametrize(
    ("records", "places"),
    [
        ([b"v=TLSRPTv1; rua=mailto:reports@remote.test"], [mailbox("reports@remote.test")]),
        ([b"v=TLSRPTv1;rua=https://r.remote.test/v1/tlsrpt;"], [ReportDestination("https://r.remote.test/v1/tlsrpt")]),
        (
            [b"v=TLSRPTv1; x=1; rua=mailto:a@remote.test, https://r.remote.test/?a=1"],
            [mailbox("a@remote.test"), ReportDestination("https://r.remote.test/?a=1")],
        ),
        ([b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:a@remote.test"], [mailbox("a@remote.test")]),
        ([b"v=TLSRPTv1; rua=mailto:a@remote.test", b"v=TLSRPTv1; rua=mailto:b@remote.test"], []),
        ([b"v=TLSRPTv1; rua=ftp://remote.test/x, http://remote.test/, mailto:nobody, mailto:"], []),
        ([b"v=TLSRPTv1; rua=mailto:a@[127.0.0.1], https://user@remote.test/"], []),
        ([b"v=TLSRPTv1;"], []),
        ([b"rua=mailto:a@remote.test"], []),
        ([b"v=TLSRPTv1; rua=mailto:\xff@remote.test"], []),
        ([], []),
    ],
)
def test_a_record_names_where_reports_go(records: list[bytes], places: list[ReportDestination]) -> None:
    assert parse_record(records) == places


def test_no_more_than_five_places_are_served() -> None:
    uris = ",".join(f"mailto:a{n}@remote.test" for n in range(100))
    assert len(parse_record([f"v=TLSRPTv1; rua={uris}".encode()])) == 5


def report() -> tuple[DayReport, Any]:
    made = build(REPORTER, "remote.test", "2026-03-01", RESULTS)
    return made, json.loads(gzip.decompress(made.body))


def test_the_report_says_who_when_and_about_whom() -> None:
    made, content = report()
    assert content["organization-name"] == "mail.host.test"
    assert content["contact-info"] == "postmaster@mail.host.test"
    assert content["report-id"] == made.report_id
    assert content["date-range"] == {
        "start-datetime": "2026-03-01T00:00:00Z",
        "end-datetime": "2026-03-01T23:59:59Z",
    }


def test_sessions_are_counted_policy_by_policy() -> None:
    _, content = report()
    sts, tlsa = content["policies"]
    assert sts["policy"] == {
        "policy-type": "sts",
        "policy-string": list(STS.string),
        "policy-domain": "remote.test",
        "mx-host": ["*.remote.test"],
    }
    assert sts["summary"] == {"total-successful-session-count": 7, "total-failure-session-count": 3}
    assert sts["failure-details"] == [
        {
            "result-type": "certificate-expired",
            "sending-mta-ip": "192.0.2.1",
            "receiving-mx-hostname": "mx.remote.test",
            "receiving-ip": "192.0.2.9",
            "failure-reason-code": "old",
            "failed-session-count": 3,
        }
    ]
    assert tlsa["policy"]["policy-string"] == ["3 1 1 abcd"]
    assert tlsa["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    assert "failure-details" not in tlsa


def test_the_file_name_is_the_standards() -> None:
    made, _ = report()
    sender, domain, begin, end, rest = made.file_name.split("!")
    assert (sender, domain, begin, end) == ("mail.host.test", "remote.test", "1772323200", "1772409599")
    assert rest.endswith(".json.gz")


def test_the_same_facts_make_the_same_report() -> None:
    assert report()[0] == report()[0]


def test_the_mail_is_a_report_of_its_kind() -> None:
    made, _ = report()
    raw = build_message(REPORTER, made, Address.parse("reports@remote.test"), now=1772409600)
    assert max(map(len, raw.split(b"\r\n"))) < 200
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["Subject"] == f"Report Domain: remote.test Submitter: mail.host.test Report-ID: <{made.report_id}>"
    assert message["TLS-Report-Domain"] == "remote.test"
    assert message["TLS-Report-Submitter"] == "mail.host.test"
    assert message["TLS-Required"] == "No"
    assert message["From"].addresses[0].addr_spec == "postmaster@mail.host.test"
    text, attachment = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert attachment.get_content_type() == "application/tlsrpt+gzip"
    assert attachment.get_filename() == made.file_name
    assert attachment.get_content() == made.body
    assert not message.defects


def test_reports_are_spread_over_the_first_hours_after_the_day() -> None:
    ends = day_begins("2026-03-01") + DAY
    times = [due_at("2026-03-01", f"d{n}.test") - ends for n in range(50)]
    assert all(0 <= each < SPREAD_SECONDS for each in times)
    assert len(set(times)) == 50
    assert due_at("2026-03-01", "d1.test") - ends == times[1]


def test_a_domain_with_a_policy_for_each_session_costs_little() -> None:
    policies = [PolicyUsed("tlsa", (f"3 1 1 {number:064x}",)) for number in range(5000)]
    began = time.process_time()
    made = build(REPORTER, "remote.test", "2026-03-01", {SessionResult("remote.test", each): 1 for each in policies})
    assert time.process_time() - began < 2
    assert len(json.loads(gzip.decompress(made.body))["policies"]) == 5000
