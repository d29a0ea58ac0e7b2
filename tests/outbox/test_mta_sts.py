"""MTA-STS (RFC 8461): policies fetched over HTTPS, kept in the database, obeyed at each exchanger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.certificates import Authority, Certificate
from fakes.dns import Failure
from fakes.https_server import HttpsServer, Page
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

HOST = "mx.remote.test"
PATH = "/.well-known/mta-sts.txt"
POLICY = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {age}\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The only one that is trusted."""
    return Authority(tmp_path)


@pytest.fixture
def policy_host(authority: Authority, outbox: Outbox) -> Iterator[HttpsServer]:
    """remote.test announces a policy; what it says is up to the test."""
    certificate = authority.issue("mta-sts.remote.test")
    outbox.dns.load({"_mta-sts.remote.test": {"TXT": "v=STSv1; id=1;"}, "mta-sts.remote.test": {"A": "127.0.0.1"}})
    with HttpsServer(certificate.server_context()) as server:
        publish(server)
        outbox.reassemble(outbound_tls_ca=certificate.authority, outbound_https_port=server.port)
        yield server


def publish(server: HttpsServer, mode: str = "enforce", mx: str = HOST, age: int = 86400) -> None:
    server.pages[PATH] = Page(POLICY.format(mode=mode, mx=mx, age=age).encode())


def exchanger(outbox: Outbox, certificate: Certificate | None) -> ScriptedSmtpServer:
    tls = certificate.server_context() if certificate else None
    return ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port, tls=tls)


async def deliver(outbox: Outbox, certificate: Certificate | None) -> str:
    """One message to bob@remote.test, whose exchanger has that certificate: the row's state."""
    with exchanger(outbox, certificate):
        await outbox.submit("bob@remote.test")
        await outbox.round()
        await outbox.program.connections.close()
    return outbox.sql("SELECT status FROM outbox WHERE recipient = 'bob@remote.test' ORDER BY id DESC LIMIT 1")[0]


def levels(outbox: Outbox) -> list[str]:
    return outbox.sql("SELECT tls_level FROM delivery_attempts WHERE outcome = 'delivered' ORDER BY id")


async def test_an_exchanger_that_the_policy_names_and_that_proves_its_name_gets_the_mail(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    assert await deliver(outbox, authority.issue(HOST)) == "sent"
    assert levels(outbox) == ["mta-sts"]
    assert policy_host.asked[0].headers["host"] == f"mta-sts.remote.test:{policy_host.port}"


async def test_a_certificate_for_another_name_defers(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    assert await deliver(outbox, authority.issue("other.test")) == "deferred"
    error = outbox.error("bob@remote.test")
    assert error.startswith("451 4.7.5")
    assert "certificate does not verify" in error
    assert "the MTA-STS policy of remote.test asks for it" in error


async def test_no_starttls_defers(outbox: Outbox, policy_host: HttpsServer) -> None:
    assert await deliver(outbox, None) == "deferred"
    error = outbox.error("bob@remote.test")
    assert "does not offer STARTTLS, and the MTA-STS policy of remote.test asks for it" in error


async def test_an_exchanger_that_the_policy_does_not_name_gets_nothing(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    publish(policy_host, mx="*.other.test")
    with exchanger(outbox, authority.issue(HOST)) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert peer.sessions == []
    assert outbox.states() == {"bob@remote.test": "deferred"}
    words = f"{HOST} is not among the mail servers that the MTA-STS policy of remote.test allows"
    assert words in outbox.error("bob@remote.test")


async def test_of_two_exchangers_the_one_that_is_named_is_used(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    outbox.dns.set("remote.test", "MX", "5 forged.remote.test", "10 mx.remote.test")
    outbox.dns.set("forged.remote.test", "A", "127.0.0.26")
    assert await deliver(outbox, authority.issue(HOST)) == "sent"
    assert levels(outbox) == ["mta-sts"]


async def test_a_failure_is_returned_only_when_the_messages_lifetime_ends(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    publish(policy_host, mx="other.test")
    await deliver(outbox, authority.issue(HOST))
    outbox.sql("UPDATE outbox SET next_attempt_ts = 0, queued_ts = queued_ts - 10 * 86400")
    await outbox.deliver_all()
    assert outbox.states()["bob@remote.test"] == "failed"
    (bounce,) = outbox.mail_of("alice")
    assert b"is not among the mail servers" in bounce.replace(b"\r\n", b" ").replace(b"=  ", b"")


async def test_testing_hinders_nothing(outbox: Outbox, policy_host: HttpsServer) -> None:
    publish(policy_host, mode="testing", mx="other.test")
    assert await deliver(outbox, None) == "sent"
    assert levels(outbox) == ["none"]


async def test_a_policy_is_fetched_once_and_kept(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    certificate = authority.issue(HOST)
    await deliver(outbox, certificate)
    outbox.reassemble()
    await deliver(outbox, certificate)
    assert [asked.path for asked in policy_host.asked] == [PATH]
    assert levels(outbox) == ["mta-sts", "mta-sts"]


async def test_another_id_brings_another_policy(outbox: Outbox, policy_host: HttpsServer, authority: Authority) -> None:
    await deliver(outbox, authority.issue(HOST))
    publish(policy_host, mode="none")
    outbox.dns.set("_mta-sts.remote.test", "TXT", "v=STSv1; id=2;")
    outbox.reassemble()
    assert await deliver(outbox, None) == "sent"
    assert levels(outbox) == ["mta-sts", "none"]


@pytest.mark.parametrize("trouble", ["record gone", "DNS fails", "server broken", "new policy is nonsense"])
async def test_who_suppresses_a_policy_gains_nothing_while_it_is_kept(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority, trouble: str
) -> None:
    await deliver(outbox, authority.issue(HOST))
    if trouble == "record gone":
        outbox.dns.remove("_mta-sts.remote.test")
    elif trouble == "DNS fails":
        outbox.dns.fail("_mta-sts.remote.test", Failure.SERVFAIL)
    else:
        outbox.dns.set("_mta-sts.remote.test", "TXT", "v=STSv1; id=2;")
        policy_host.pages[PATH] = Page(b"", 500) if trouble == "server broken" else Page(b"nonsense")
    outbox.reassemble()
    assert await deliver(outbox, None) == "deferred"


@pytest.mark.parametrize(
    "page",
    [
        Page(POLICY.format(mode="enforce", mx=HOST, age=1000).encode(), status=301, headers={"Location": "/other"}),
        Page(POLICY.format(mode="enforce", mx=HOST, age=1000).encode(), content_type="text/html"),
        Page(POLICY.format(mode="enforce", mx=HOST, age=1000).encode() + b"x: y\n" * 20_000),
        Page(b"version: STSv1\nmode: enforce\n"),
        Page(raw=b"this is not HTTP\r\n\r\n"),
        Page(raw=b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000),
        Page(raw=b""),
    ],
    ids=["redirect", "HTML", "too large", "incomplete", "not HTTP", "endless header", "hangs up"],
)
async def test_what_is_no_policy_counts_as_none(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority, page: Page
) -> None:
    policy_host.pages[PATH] = page
    assert await deliver(outbox, None) == "sent"
    assert outbox.sql("SELECT count(*) FROM sts_policies") == ["0"]


async def test_a_failed_fetch_is_not_repeated_at_once(outbox: Outbox, policy_host: HttpsServer) -> None:
    policy_host.pages[PATH] = Page(b"", 500)
    await deliver(outbox, None)
    await deliver(outbox, None)
    assert len(policy_host.asked) == 1


async def test_a_policy_host_that_does_not_prove_its_name_is_not_believed(
    outbox: Outbox, policy_host: HttpsServer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    outbox.reassemble(outbound_tls_ca=Authority(tmp_path / "other").issue("x.test").authority)
    assert await deliver(outbox, None) == "sent"
    assert policy_host.asked == []


async def test_a_policy_is_fetched_anew_before_it_expires(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    await deliver(outbox, authority.issue(HOST))
    outbox.sql("UPDATE sts_policies SET fetched_ts = fetched_ts - 50000, expires_ts = expires_ts - 50000")
    await outbox.program.policies.refresh()
    assert len(policy_host.asked) == 2
    await outbox.program.policies.refresh()
    assert len(policy_host.asked) == 2


async def test_a_policy_that_nobody_needs_is_forgotten(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    await deliver(outbox, authority.issue(HOST))
    outbox.sql("UPDATE sts_policies SET used_ts = used_ts - 100 * 86400")
    await outbox.program.policies.refresh()
    assert outbox.sql("SELECT count(*) FROM sts_policies") == ["0"]


async def test_a_message_may_waive_it(outbox: Outbox, policy_host: HttpsServer) -> None:
    with exchanger(outbox, None) as peer:
        await outbox.submit("bob@remote.test", raw=b"TLS-Required: No\r\nFrom: alice@here.test\r\n\r\nhello\r\n")
        await outbox.round()
        assert len(peer.messages) == 1


async def test_it_can_be_switched_off(outbox: Outbox, policy_host: HttpsServer) -> None:
    outbox.reassemble(mta_sts=False)
    assert await deliver(outbox, None) == "sent"
    assert policy_host.asked == []


async def test_a_stranger_cannot_have_this_machines_own_servers_asked(outbox: Outbox, policy_host: HttpsServer) -> None:
    outbox.reassemble(mta_sts_networks=())
    assert await deliver(outbox, None) == "sent"
    assert policy_host.asked == []
    await outbox.program.policies.flush()
    (reason,) = outbox.sql("SELECT reason FROM tls_results WHERE result = 'sts-policy-fetch-error'")
    assert "mta-sts.remote.test has no address that may be asked from here" in reason


async def test_a_kept_policy_holds_though_its_server_may_not_be_asked_any_more(
    outbox: Outbox, policy_host: HttpsServer, authority: Authority
) -> None:
    await deliver(outbox, authority.issue(HOST))
    outbox.dns.set("_mta-sts.remote.test", "TXT", "v=STSv1; id=2;")
    outbox.reassemble(mta_sts_networks=())
    assert await deliver(outbox, None) == "deferred"
