"""What connections come to: counted for reports, which go out once a day, and remembered to notice downgrades."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_outbox.http_client import HttpClient
from onifast_outbox.tls_policy.contexts import Contexts
from onifast_outbox.tls_policy.reporting import SPREAD_SECONDS, Reporting
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine import dns
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls.results import DAY, PolicyUsed, SessionResult, day_begins, day_of

from fakes.certificates import Authority
from fakes.https_server import HttpsServer, Page
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

HOST = "mx.remote.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The only one that is trusted."""
    return Authority(tmp_path)


@pytest.fixture
def trusting(outbox: Outbox, authority: Authority) -> Outbox:
    """A deliverer that trusts the authority."""
    outbox.reassemble(outbound_tls_ca=authority.issue("any.test").authority)
    return outbox


async def deliver(outbox: Outbox, tls: ssl.SSLContext | None, **script: str) -> None:
    """One message to remote.test, whose exchanger offers that TLS; what came of it is written down."""
    with ScriptedSmtpServer(script, host="127.0.0.25", port=outbox.settings.outbound_port, tls=tls):
        await outbox.submit("bob@remote.test")
        await outbox.round()
        await outbox.program.connections.close()
    await outbox.program.policies.flush()


def counted(outbox: Outbox) -> list[str]:
    return outbox.sql("SELECT policy_type, result, mx_host, sessions FROM tls_results ORDER BY 1, 2, 3")


async def test_sessions_with_and_without_tls_are_counted(trusting: Outbox, authority: Authority) -> None:
    good = authority.issue(HOST).server_context()
    await deliver(trusting, good)
    await deliver(trusting, good)
    await deliver(trusting, authority.issue("other.test").server_context())
    await deliver(trusting, None)
    assert counted(trusting) == [
        f"no-policy-found||{HOST}|3",
        f"no-policy-found|starttls-not-supported|{HOST}|1",
    ]


async def test_a_handshake_that_fails_is_counted_once_though_mail_goes_in_clear_text(trusting: Outbox) -> None:
    await deliver(trusting, None, EHLO="250-mx.remote.test\n250 STARTTLS", STARTTLS="220 go ahead")
    assert trusting.states() == {"bob@remote.test": "sent"}
    assert counted(trusting) == [f"no-policy-found|validation-failure|{HOST}|1"]
    details = trusting.sql("SELECT sending_ip, mx_ip FROM tls_results")
    assert details == ["127.0.0.1|127.0.0.25"]


async def test_nothing_is_counted_where_reports_are_off(trusting: Outbox) -> None:
    trusting.reassemble(tls_reports=False)
    await deliver(trusting, None)
    assert counted(trusting) == []


class TestPolicies:
    """What counts under MTA-STS."""

    @pytest.fixture
    def policy_host(self, trusting: Outbox, authority: Authority) -> Iterator[HttpsServer]:
        trusting.dns.load(
            {"_mta-sts.remote.test": {"TXT": "v=STSv1; id=1;"}, "mta-sts.remote.test": {"A": "127.0.0.1"}}
        )
        with HttpsServer(authority.issue("mta-sts.remote.test").server_context()) as server:
            trusting.reassemble(outbound_https_port=server.port)
            yield server

    @staticmethod
    def publish(server: HttpsServer, mode: str, mx: str) -> None:
        text = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"
        server.pages["/.well-known/mta-sts.txt"] = Page(text.encode())

    async def test_testing_reports_what_enforcing_would_refuse(
        self, trusting: Outbox, policy_host: HttpsServer, authority: Authority
    ) -> None:
        self.publish(policy_host, "testing", HOST)
        await deliver(trusting, authority.issue(HOST).server_context())
        await deliver(trusting, authority.issue("other.test").server_context())
        await deliver(trusting, authority.issue(HOST, expired=True).server_context())
        await deliver(trusting, None)
        assert set(trusting.sql("SELECT status FROM outbox")) == {"sent"}
        assert counted(trusting) == [
            f"sts||{HOST}|1",
            f"sts|certificate-expired|{HOST}|1",
            f"sts|certificate-host-mismatch|{HOST}|1",
            f"sts|starttls-not-supported|{HOST}|1",
        ]

    @pytest.mark.parametrize("mode", ["testing", "enforce"])
    async def test_an_exchanger_that_is_not_named_is_a_failure(
        self, trusting: Outbox, policy_host: HttpsServer, authority: Authority, mode: str
    ) -> None:
        self.publish(policy_host, mode, "other.test")
        await deliver(trusting, authority.issue(HOST).server_context())
        assert counted(trusting) == [f"sts|validation-failure|{HOST}|1"]

    async def test_enforcing_reports_what_it_refuses(
        self, trusting: Outbox, policy_host: HttpsServer, authority: Authority
    ) -> None:
        self.publish(policy_host, "enforce", HOST)
        await deliver(trusting, authority.issue("other.test").server_context())
        assert counted(trusting) == [f"sts|certificate-host-mismatch|{HOST}|1"]

    @pytest.mark.parametrize(
        ("page", "result"),
        [(Page(status=500), "sts-policy-fetch-error"), (Page(b"nonsense"), "sts-policy-invalid")],
    )
    async def test_a_policy_that_cannot_be_had_is_reported(
        self, trusting: Outbox, policy_host: HttpsServer, authority: Authority, page: Page, result: str
    ) -> None:
        policy_host.pages["/.well-known/mta-sts.txt"] = page
        await deliver(trusting, authority.issue(HOST).server_context())
        assert counted(trusting) == [f"no-policy-found||{HOST}|1", f"sts|{result}||1"]

    async def test_a_policy_host_without_a_good_certificate_is_reported(
        self, trusting: Outbox, authority: Authority
    ) -> None:
        trusting.dns.load(
            {"_mta-sts.remote.test": {"TXT": "v=STSv1; id=1;"}, "mta-sts.remote.test": {"A": "127.0.0.1"}}
        )
        with HttpsServer(authority.issue("other.test").server_context()) as server:
            trusting.reassemble(outbound_https_port=server.port)
            await deliver(trusting, authority.issue(HOST).server_context())
        assert counted(trusting) == [f"no-policy-found||{HOST}|1", "sts|sts-webpki-invalid||1"]


def reporting(outbox: Outbox, *, after: float = DAY + SPREAD_SECONDS) -> Reporting:
    """Another process' reporter, so many seconds after this day began."""
    now = day_begins(day_of(time.time())) + after
    resolver = dns.resolver(outbox.settings)
    client = HttpClient(resolver, Contexts.of(outbox.settings).verifying, timeout=30)
    return Reporting(outbox.db, resolver, client, outbox.settings.hostname, now=lambda: now)


async def test_a_domain_that_asks_gets_one_mail_a_day_however_many_processes_there_are(trusting: Outbox) -> None:
    trusting.dns.set("_smtp._tls.remote.test", "TXT", "v=TLSRPTv1; rua=mailto:tls@reports.test")
    await deliver(trusting, None)
    await asyncio.gather(*(reporting(trusting).run_once() for _ in range(3)))
    await reporting(trusting).run_once()
    rows = trusting.sql("SELECT sender, recipient, subject FROM outbox WHERE origin = 'report'")
    assert rows == [f"postmaster@mail.host.test|tls@reports.test|TLS report for remote.test, {day_of(time.time())}"]


async def test_a_day_is_not_reported_before_it_is_over(trusting: Outbox) -> None:
    trusting.dns.set("_smtp._tls.remote.test", "TXT", "v=TLSRPTv1; rua=mailto:tls@reports.test")
    await deliver(trusting, None)
    await reporting(trusting, after=DAY - 1).run_once()
    assert trusting.sql("SELECT count(*) FROM tls_reports") == ["0"]


async def test_who_does_not_ask_gets_nothing(trusting: Outbox) -> None:
    await deliver(trusting, None)
    await reporting(trusting).run_once()
    await reporting(trusting).run_once()
    assert trusting.sql("SELECT count(*) FROM outbox WHERE origin = 'report'") == ["0"]
    assert trusting.dns.asked("_smtp._tls.remote.test", "TXT") == 1


async def test_the_mail_is_signed_waives_tls_and_makes_no_report_of_its_own(
    trusting: Outbox, authority: Authority
) -> None:
    dkim_keys.generate(trusting.settings.certs_dir, "mail.host.test", "mail")
    trusting.dns.set("_smtp._tls.remote.test", "TXT", "v=TLSRPTv1; rua=mailto:tls@remote.test")
    await deliver(trusting, None)
    await reporting(trusting).run_once()
    with ScriptedSmtpServer(host="127.0.0.25", port=trusting.settings.outbound_port) as peer:
        await trusting.round()
        (message,) = peer.messages
    await trusting.program.policies.flush()
    assert b"DKIM-Signature:" in message.data
    assert b"d=mail.host.test" in message.data
    assert message.rcpt_to == ("tls@remote.test",)
    assert counted(trusting) == [f"no-policy-found|starttls-not-supported|{HOST}|1"]


class TestPosting:
    """Reports by HTTPS."""

    @pytest.fixture
    def collector(self, trusting: Outbox, authority: Authority) -> Iterator[HttpsServer]:
        with HttpsServer(authority.issue("collector.test").server_context()) as server:
            trusting.dns.set("collector.test", "A", "127.0.0.1")
            record = f"v=TLSRPTv1; rua=https://collector.test:{server.port}/in"
            trusting.dns.set("_smtp._tls.remote.test", "TXT", record)
            yield server

    @pytest.mark.parametrize("host", ["collector.test", "127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
    async def test_the_program_hands_none_in_where_only_this_machine_can_reach(
        self, trusting: Outbox, collector: HttpsServer, host: str
    ) -> None:
        record = f"v=TLSRPTv1; rua=https://{host}:{collector.port}/in"
        trusting.dns.set("_smtp._tls.remote.test", "TXT", record)
        item, before = SessionResult("remote.test", PolicyUsed()), time.time() - 2 * DAY
        trusting.db.write(lambda tx: tls_results.count(tx, {item: 1}, before))
        await trusting.program.reporting.run_once()
        (detail,) = trusting.sql("SELECT detail FROM tls_reports")
        assert "no address that may be asked from here" in detail
        assert collector.asked == []

    async def test_a_report_is_handed_in_once(self, trusting: Outbox, collector: HttpsServer) -> None:
        collector.pages["/in"] = Page(status=201)
        await deliver(trusting, None)
        await asyncio.gather(*(reporting(trusting).run_once() for _ in range(3)))
        await reporting(trusting).run_once()
        (asked,) = collector.asked
        assert (asked.method, asked.headers["content-type"]) == ("POST", "application/tlsrpt+gzip")
        assert json.loads(gzip.decompress(asked.body))["policies"][0]["policy"]["policy-domain"] == "remote.test"
        assert trusting.sql("SELECT state FROM tls_reports") == ["sent"]

    async def test_a_collector_that_fails_is_tried_again_later_with_the_same_report(
        self, trusting: Outbox, collector: HttpsServer
    ) -> None:
        collector.pages["/in"] = Page(status=503)
        await deliver(trusting, None)
        await reporting(trusting).run_once()
        await reporting(trusting).run_once()
        assert len(collector.asked) == 1
        assert trusting.sql("SELECT state, detail FROM tls_reports") == [
            "posting|the server answered with the status 503"
        ]
        collector.pages["/in"] = Page()
        await reporting(trusting, after=DAY + SPREAD_SECONDS + 1000).run_once()
        first, second = collector.asked
        assert first.body == second.body
        assert trusting.sql("SELECT state FROM tls_reports") == ["sent"]

    async def test_the_claim_on_a_report_lasts_however_long_the_round_has_gone_on(
        self, trusting: Outbox, collector: HttpsServer
    ) -> None:
        collector.pages["/in"] = Page(status=503)
        await deliver(trusting, None)
        late = reporting(trusting)
        began = late._now()
        moments = iter([began, began + 5000])
        late._now = lambda: next(moments, began + 5000)
        await late.run_once()
        assert trusting.sql("SELECT retry_ts FROM tls_reports") == [str(int(began) + 5000 + 900)]

    async def test_after_a_day_it_is_given_up(self, trusting: Outbox, collector: HttpsServer) -> None:
        collector.pages["/in"] = Page(status=503)
        await deliver(trusting, None)
        await reporting(trusting, after=2 * DAY).run_once()
        assert trusting.sql("SELECT state FROM tls_reports") == ["failed"]


async def test_a_domain_that_had_good_tls_is_missed_when_it_has_less(
    trusting: Outbox, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    await deliver(trusting, authority.issue(HOST).server_context())
    with caplog.at_level(logging.WARNING):
        await deliver(trusting, None)
        await deliver(trusting, authority.issue("other.test").server_context())
    assert set(trusting.sql("SELECT status FROM outbox")) == {"sent"}
    memory = trusting.db.read(lambda tx: tls_history.get(tx, "remote.test"))
    assert memory is not None
    assert (memory.level, memory.downgrades, memory.downgraded_level) == ("verified", 2, "encrypted")
    assert memory.downgraded_why == "the certificate is not good for the name mx.remote.test"
    assert [record.getMessage() for record in caplog.records if "tls-downgraded" in record.getMessage()] == [
        "tls-downgraded domain=remote.test host=mx.remote.test found=none before=verified"
        ' reason="the server does not offer STARTTLS"'
    ]


async def test_a_downgrade_ends_with_the_next_good_connection(trusting: Outbox, authority: Authority) -> None:
    good = authority.issue(HOST).server_context()
    for context in (good, None, good):
        await deliver(trusting, context)
    memory = trusting.db.read(lambda tx: tls_history.get(tx, "remote.test"))
    assert memory is not None
    assert not memory.is_downgraded
    assert memory.downgraded_level == "none"


async def test_a_domain_that_never_had_good_tls_is_not_remembered(trusting: Outbox) -> None:
    await deliver(trusting, None)
    assert trusting.db.read(tls_history.list_all) == []
