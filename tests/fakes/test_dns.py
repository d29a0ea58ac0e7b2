"""The fake DNS server, asked by dnspython's own resolver."""

from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest

from fakes.dns import DnsServer, Failure, Query, ZoneData

ZONE: ZoneData = {
    "remote.test": {"MX": ["10 mx.remote.test", "20 mx2.remote.test"], "TXT": "v=spf1 ip4:127.0.0.9 -all"},
    "mx.remote.test": {"A": "127.0.0.25"},
    "www.remote.test": {"CNAME": "mx.remote.test"},
    "*.wild.test": {"A": "127.0.0.7"},
}


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


def resolver_of(server: DnsServer) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server.host]
    resolver.port = server.port
    resolver.lifetime = 5
    return resolver


def texts(server: DnsServer, name: str, rdtype: str) -> list[str]:
    return sorted(record.to_text() for record in resolver_of(server).resolve(name, rdtype))


def test_answers_what_the_dict_says(server: DnsServer) -> None:
    assert texts(server, "remote.test", "MX") == ["10 mx.remote.test.", "20 mx2.remote.test."]
    assert texts(server, "remote.test", "TXT") == ['"v=spf1 ip4:127.0.0.9 -all"']


def test_takes_zone_text_too() -> None:
    with DnsServer("a.test. 60 IN MX 5 mx.a.test.\nmx.a.test. 60 IN AAAA ::1\n") as server:
        assert texts(server, "a.test", "MX") == ["5 mx.a.test."]
        assert texts(server, "mx.a.test", "AAAA") == ["::1"]


def test_follows_aliases_and_wildcards(server: DnsServer) -> None:
    assert texts(server, "www.remote.test", "A") == ["127.0.0.25"]
    assert texts(server, "any.thing.wild.test", "A") == ["127.0.0.7"]


def test_names_are_found_in_any_case(server: DnsServer) -> None:
    assert texts(server, "MX.Remote.TEST", "A") == ["127.0.0.25"]


def test_unknown_names_do_not_exist_and_known_names_may_lack_a_type(server: DnsServer) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        texts(server, "unknown.test", "MX")
    with pytest.raises(dns.resolver.NoAnswer):
        texts(server, "mx.remote.test", "MX")
    with pytest.raises(dns.resolver.NoAnswer):
        texts(server, "wild.test", "A")  # only names below it have records


def test_records_change_while_it_runs(server: DnsServer) -> None:
    server.set("mx.remote.test", "A", "127.0.0.26")
    assert texts(server, "mx.remote.test", "A") == ["127.0.0.26"]
    server.remove("mx.remote.test")
    with pytest.raises(dns.resolver.NXDOMAIN):
        texts(server, "mx.remote.test", "A")


def test_a_long_text_is_split_and_comes_over_tcp(server: DnsServer) -> None:
    server.set("mail._domainkey.remote.test", "TXT", "v=DKIM1; p=" + "A" * 2000)
    answer = resolver_of(server).resolve("mail._domainkey.remote.test", "TXT")
    assert b"".join(answer[0].strings) == b"v=DKIM1; p=" + b"A" * 2000
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


def test_servfail_and_refused(server: DnsServer) -> None:
    question = dns.message.make_query("remote.test", "MX")
    server.fail("remote.test", Failure.SERVFAIL)
    assert dns.query.udp(question, server.host, 5, server.port).rcode() == dns.rcode.SERVFAIL
    server.fail("remote.test", Failure.REFUSED)
    assert dns.query.udp(question, server.host, 5, server.port).rcode() == dns.rcode.REFUSED


def test_a_failure_of_one_type_leaves_the_others_alone_and_can_end(server: DnsServer) -> None:
    server.fail("remote.test", Failure.SERVFAIL, "MX")
    assert texts(server, "remote.test", "TXT")
    server.fail("remote.test", None, "MX")
    assert texts(server, "remote.test", "MX")


def test_silence_lets_the_client_time_out_over_udp_and_tcp(server: DnsServer) -> None:
    server.fail("remote.test", Failure.SILENT)
    question = dns.message.make_query("remote.test", "MX")
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(question, server.host, 0.2, server.port)
    with pytest.raises(dns.exception.Timeout):
        dns.query.tcp(question, server.host, 0.2, server.port)


def test_truncation_sends_the_client_to_tcp(server: DnsServer) -> None:
    server.fail("remote.test", Failure.TRUNCATED)
    assert len(texts(server, "remote.test", "MX")) == 2
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


def test_remembers_the_questions(server: DnsServer) -> None:
    texts(server, "Remote.test", "MX")
    assert server.queries == [Query("remote.test", "MX", "udp")]
    assert server.asked("remote.test.", "MX") == 1


def test_survives_garbage(server: DnsServer) -> None:
    assert server.answer(b"\x00\x01garbage", "udp") is None
    assert texts(server, "remote.test", "MX")
