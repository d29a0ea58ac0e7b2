"""What mail programs and other sites ask by themselves: answered for domains of this server, and for no others."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from xml.etree import ElementTree  # what we wrote ourselves

import pytest
from flask.testing import FlaskClient
from onifast_outbox.tls_policy import sts_policy
from onifast_web.client_setup import asked, autodiscover
from onifast_web.client_setup.views import AUTOCONFIG_PATHS
from onifast_web.http.problems import Problem
from web.support import Clock
from werkzeug.test import TestResponse

Change = Callable[..., FlaskClient]
NAMED = "/mail/config-v1.1.xml"
OUTLOOK = "/autodiscover/autodiscover.xml"
REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>
</Request></Autodiscover>"""


@pytest.fixture
def client(change: Change) -> FlaskClient:
    """A client of a server that has IMAP."""
    return change(imap_host="imap.host.test")


def get(client: FlaskClient, path: str, host: str = "autoconfig.example.test", **query: str) -> TestResponse:
    return client.get(path, headers={"Host": host}, query_string=query)


def post(client: FlaskClient, body: str | bytes, path: str = OUTLOOK, **headers: str) -> TestResponse:
    return client.post(path, data=body, headers={"Host": "autodiscover.example.test"} | headers)


def outlook(address: str = "demo@example.test", schema: str = autodiscover.RESPONSE) -> str:
    return REQUEST.format(address=address, schema=schema)


@pytest.mark.parametrize("path", AUTOCONFIG_PATHS)
def test_thunderbird_gets_what_its_format_wants_in_its_order(client: FlaskClient, path: str) -> None:
    answer = get(client, path, emailaddress="demo@example.test")
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    root = ElementTree.fromstring(answer.data)
    assert (root.tag, root.attrib) == ("clientConfig", {"version": "1.1"})
    (provider,) = root
    assert (provider.tag, provider.attrib) == ("emailProvider", {"id": "example.test"})
    assert [each.tag for each in provider] == [
        "domain", "displayName", "displayShortName", "incomingServer", "outgoingServer", "outgoingServer"
    ]  # fmt: skip
    servers = [[each.get("type"), *(part.text for part in each)] for each in provider if each.tag.endswith("Server")]
    assert servers == [
        ["imap", "imap.host.test", "993", "SSL", "password-cleartext", "%EMAILADDRESS%"],
        ["smtp", "mail.host.test", "465", "SSL", "password-cleartext", "%EMAILADDRESS%"],
        ["smtp", "mail.host.test", "587", "STARTTLS", "password-cleartext", "%EMAILADDRESS%"],
    ]
    names = ["hostname", "port", "socketType", "authentication", "username"]
    assert all([part.tag for part in each] == names for each in provider if each.tag.endswith("Server"))


@pytest.mark.parametrize(
    "host", ["example.test", "AUTOCONFIG.Example.Test", "autoconfig.example.test:443", "mail.host.test", "other.test"]
)
def test_it_is_answered_at_every_name_of_ours(client: FlaskClient, host: str) -> None:
    assert get(client, NAMED, host, emailaddress="demo@example.test").status_code == 200


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("evil.test", ""), ("autoconfig.evil.test", "demo@example.test"), ("autoconfig.example.test", "ann@evil.test"),
        ("autoconfig.autoconfig.example.test", ""), ("mta-sts.example.test", ""), ("autoconfig.", ""), ("x..y", ""),
        ("[::1]", ""), ("127.0.0.1", ""), ("~17:former", ""), ("' OR 1=1 --", ""), ("*", ""),
    ],
)  # fmt: skip
def test_who_asks_for_another_name_is_told_nothing(client: FlaskClient, host: str, address: str) -> None:
    for answer in (
        get(client, NAMED, host, **({"emailaddress": address} if address else {})),
        get(client, "/email.mobileconfig", host, emailaddress=address or "demo@example.test"),
        client.post(OUTLOOK, data=outlook(address or "demo@example.test"), headers={"Host": host}),
    ):
        assert answer.status_code in {400, 404}, (host, answer.text)


@pytest.mark.parametrize("local", ["demo", "nobody", "*", "postmaster", "x" * 64])
def test_nobody_learns_which_addresses_there_are(client: FlaskClient, local: str) -> None:
    address = f"{local}@example.test"
    assert get(client, NAMED, emailaddress=address).data == get(client, NAMED).data
    answer = post(client, outlook(address))
    assert answer.text.replace(address, "A") == post(client, outlook("demo@example.test")).text.replace(
        "demo@example.test", "A"
    )
    assert get(client, "/email.mobileconfig", emailaddress=address).status_code == 200


def test_without_imap_there_is_nothing_that_needs_it(change: Change) -> None:
    client = change()
    assert get(client, NAMED, emailaddress="demo@example.test").status_code == 404
    assert get(client, "/email.mobileconfig", emailaddress="demo@example.test").status_code == 404
    assert post(client, outlook()).status_code == 404


def test_imap_with_starttls_is_told_so(change: Change) -> None:
    client = change(imap_host="imap.host.test", imap_port=143, imap_security="starttls", submissions_listen=())
    text = get(client, NAMED).text
    assert text.count("<socketType>STARTTLS</socketType>") == 2 and "<port>143</port>" in text
    assert post(client, outlook()).text.count("<Encryption>TLS</Encryption>") == 2


@pytest.mark.parametrize("path", [OUTLOOK, "/Autodiscover/Autodiscover.xml", "/AUTODISCOVER/autoDiscover.XML"])
def test_outlook_is_answered_in_its_schema_in_whatever_case_it_asks(client: FlaskClient, path: str) -> None:
    answer = post(client, outlook(), path)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    root = ElementTree.fromstring(answer.data)
    assert root.tag == "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}Autodiscover"
    space = {"o": autodiscover.RESPONSE}
    account = root.find("o:Response/o:Account", space)
    assert account is not None
    assert [account.findtext(f"o:{name}", "", space) for name in ("AccountType", "Action")] == ["email", "settings"]
    found = [{part.tag.partition("}")[2]: part.text for part in each} for each in account.findall("o:Protocol", space)]
    common = {"DomainRequired": "off", "LoginName": "demo@example.test", "SPA": "off", "SSL": "on"}
    common |= {"Encryption": "SSL", "AuthRequired": "on"}
    smtp = {"Type": "SMTP", "Server": "mail.host.test", "Port": "465", "UsePOPAuth": "off", "SMTPLast": "off"}
    assert found == [{"Type": "IMAP", "Server": "imap.host.test", "Port": "993"} | common, smtp | common]


def test_another_schema_is_not_available(client: FlaskClient) -> None:
    schema = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
    answer = post(client, outlook(schema=schema))
    assert answer.status_code == 200 and "<ErrorCode>601</ErrorCode>" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='utf-32'?><a/>",
        b"<Autodiscover/>",
        b"<a><EMailAddress>no address</EMailAddress></a>",
        b"<a><EMailAddress>demo@example.test",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><EMailAddress>demo@example.test</EMailAddress></a>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a><EMailAddress>&e;@example.test</EMailAddress></a>',
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a><EMailAddress>&c;@example.test</EMailAddress></a>',
        b"<a><EMailAddress>&amp;lol;@example.test&unknown;</EMailAddress></a>",
        b"<a>" * 5000 + b"</a>" * 5000,
        b"<a><EMailAddress>demo@example.test</EMailAddress><EMailAddress>@</EMailAddress></a>",
    ],
)
def test_hostile_xml_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code in {400, 413}, answer.text
    assert "root:" not in answer.text


def test_a_request_has_an_end(client: FlaskClient) -> None:
    assert post(client, outlook() + " " * autodiscover.LARGEST_REQUEST).status_code == 413


def test_markup_in_an_address_stays_text(client: FlaskClient) -> None:
    answer = post(client, outlook('"a&lt;b&amp;c"@example.test'))
    assert ElementTree.fromstring(answer.data).findtext(f".//{{{autodiscover.RESPONSE}}}LoginName") == (
        '"a<b&c"@example.test'
    )


def test_apples_profile_sets_up_the_same_servers_and_holds_no_password(client: FlaskClient) -> None:
    answer = get(client, "/email.mobileconfig", "mail.host.test", emailaddress="Demo@EXAMPLE.test")
    assert answer.mimetype == "application/x-apple-aspen-config"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="example.test.mobileconfig"'
    profile = plistlib.loads(answer.data)
    needed = {"PayloadContent", "PayloadIdentifier", "PayloadType", "PayloadUUID", "PayloadVersion"}
    assert needed <= set(profile) and profile["PayloadType"] == "Configuration"
    (account,) = profile["PayloadContent"]
    assert account["PayloadType"] == "com.apple.mail.managed" and account["EmailAccountType"] == "EmailTypeIMAP"
    assert account["EmailAddress"] == "Demo@example.test"
    assert (account["IncomingMailServerHostName"], account["IncomingMailServerPortNumber"]) == ("imap.host.test", 993)
    assert (account["OutgoingMailServerHostName"], account["OutgoingMailServerPortNumber"]) == ("mail.host.test", 465)
    assert account["IncomingMailServerUseSSL"] is account["OutgoingMailServerUseSSL"] is True
    assert not [name for name in account if name.endswith("ServerPassword") or name.endswith("Password")][1:]
    again = plistlib.loads(get(client, "/email.mobileconfig", emailaddress="Demo@example.test").data)
    assert again == profile


def test_a_profile_is_for_an_address(client: FlaskClient) -> None:
    assert get(client, "/email.mobileconfig").status_code == 400
    assert get(client, "/email.mobileconfig", emailaddress="no address").status_code == 400


def test_the_policy_is_one_that_we_would_obey_ourselves(change: Change) -> None:
    answer = get(change(mta_sts_mode="enforce"), "/.well-known/mta-sts.txt", "mta-sts.example.test")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    policy = sts_policy.parse_policy(answer.data)
    assert (policy.mode, policy.mx, policy.max_age) == ("enforce", ("mail.host.test",), 604800)


def test_a_policy_is_there_for_our_domains_at_their_name_alone(change: Change) -> None:
    for host in (
        "example.test",
        "mta-sts.evil.test",
        "mail.host.test",
        "mta-sts.",
        "mta-sts",
        "autoconfig.example.test",
    ):
        assert get(change(), "/.well-known/mta-sts.txt", host).status_code == 404, host
    assert get(change(mta_sts_mode="off"), "/.well-known/mta-sts.txt", "mta-sts.example.test").status_code == 404


def test_robots_are_sent_away(client: FlaskClient) -> None:
    answer = get(client, "/robots.txt", "anything.test")
    assert answer.text == "User-agent: *\nDisallow: /\n" and answer.mimetype == "text/plain"


def test_below_a_prefix_they_are_found_as_well(change: Change) -> None:
    client = change(imap_host="imap.host.test", url_prefix="/mail")
    for path in (*AUTOCONFIG_PATHS, "/mail/.well-known/autoconfig/mail/config-v1.1.xml"):
        assert get(client, path).status_code == 200, path
    assert get(client, "/mail/.well-known/mta-sts.txt", "mta-sts.example.test").status_code == 200


def test_one_client_may_ask_so_often(clock: Clock) -> None:
    askers = asked.Askers(clock)
    for _ in range(asked.PER_MINUTE):
        askers.check("address:192.0.2.1")
    with pytest.raises(Problem, match="Too many"):
        askers.check("address:192.0.2.1")
    askers.check("address:192.0.2.2")
    clock.advance(1)
    askers.check("address:192.0.2.1")


def test_who_asks_too_often_is_told_when_to_come_again(client: FlaskClient) -> None:
    answers = [get(client, NAMED, "evil.test") for _ in range(asked.PER_MINUTE + 1)]
    assert answers[-1].status_code == 429 and answers[-1].headers["Retry-After"] == "60"
    assert {each.status_code for each in answers[:-1]} == {404}
