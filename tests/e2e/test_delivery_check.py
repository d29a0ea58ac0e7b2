"""What would become of mail to an address: asked of the real outbox, by API and command."""

from __future__ import annotations

import json
import time

import pytest

from e2e.site import Site

pytestmark = [pytest.mark.peers, pytest.mark.root]


def test_api_and_command_tell_the_same(site: Site) -> None:
    query = "address=bob@remote.test&from=ann@example.test"
    answer = site.api("GET", f"/api/mail/explain?{query}", user="ann").json
    texts = {finding["about"]: finding["text"] for finding in answer["findings"]}
    assert texts["recipient"] == "remote.test is not of this server: the message goes out."
    assert "mail servers" in texts["route"]
    options = ("--from", "ann@example.test", "--user", "ann", "--json")
    done = site.run("onifast-mailctl", "delivery-check", "bob@remote.test", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == answer["findings"]


def test_the_command_says_what_stands_in_the_way(site: Site) -> None:
    done = site.run("onifast-mailctl", "explain", "bob@no-such-domain.test")
    assert done.returncode == 1
    assert "STOP\troute\tThe domain no-such-domain.test does not exist." in done.stdout


def test_a_test_message_shows_the_dialogue_with_the_server(site: Site) -> None:
    done = site.run(
        "onifast-mailctl", "test-mail", "bob@remote.test", "--from", "ann@example.test", "--dialogue", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)["dialogue"]
    assert any(each["who"] == "client" and each["text"].startswith("RCPT TO:<bob@remote.test>") for each in said)
    assert any(each["who"] == "server" and each["text"].startswith("250 ") for each in said)


def test_what_the_programs_count_is_told_together(site: Site) -> None:
    assert site.run("onifast-mailctl", "test-mail", "bob@remote.test", "--from", "ann@example.test").returncode == 0
    wanted = 'onifast_mail_deliveries_total{program="outbox",way="remote"}'
    ends = time.monotonic() + 60
    while wanted not in (told := site.run("onifast-mailctl", "metrics").stdout):
        assert time.monotonic() < ends, told
        time.sleep(0.5)
    for program in ("smtpd", "outbox", "web"):
        assert f'onifast_mail_program_up{{program="{program}"}} 1' in told
    assert 'onifast_mail_http_requests_total{program="web"' in told
