"""Routes and source addresses, by the API and on the administrator's pages."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_shared.transport import routes

from web.support import Browser, Panel

ROUTE: dict[str, Any] = {
    "scope": "sender_domain",
    "name": "Example.TEST",
    "host": "smtp.remote.example",
    "port": 2525,
    "tls": "starttls",
    "user": "demo",
    "password": "very secret",
}
FORM = {name: str(value) for name, value in ROUTE.items()} | {"do": "save"}


@pytest.fixture
def admin(client: FlaskClient) -> Browser:
    """An administrator's browser."""
    return Browser.logged_in(client, "root-admin")


def without_password(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in ROUTE.items() if name != "password"} | changes


def test_a_routes_password_goes_in_and_never_comes_out(panel: Panel, database: Database) -> None:
    answer = panel.post("/api/mail/routes", ROUTE)
    listed = panel.get("/api/mail/routes")
    assert answer.json and listed.json
    assert listed.json == {"routes": [answer.json]}
    assert answer.json["name"] == "example.test" and answer.json["password_set"] is True
    assert "very secret" not in answer.text + listed.text
    stored = database.read(lambda tx: routes.get(tx, "sender_domain", "example.test"))
    assert stored and stored.server and stored.server.password.reveal() == "very secret"


def test_a_password_stays_with_its_host_and_user(panel: Panel) -> None:
    panel.post("/api/mail/routes", ROUTE)
    kept = panel.post("/api/mail/routes", without_password(port=587)).json
    moved = panel.post("/api/mail/routes", without_password(host="evil.example")).json
    assert kept and moved
    assert (kept["password_set"], moved["password_set"]) == (True, False)


def test_a_direct_route_and_the_usual_port(panel: Panel) -> None:
    direct = panel.post("/api/mail/routes", {"scope": "recipient_domain", "name": "a.test", "host": ""}).json
    usual = panel.post("/api/mail/routes", {"scope": "recipient_domain", "name": "*.b.test", "host": "h"}).json
    assert direct and usual
    assert (direct["host"], direct["tls"]) == ("", "none")
    assert (usual["name"], usual["port"], usual["tls"]) == ("*.b.test", 587, "starttls")


def test_a_route_is_taken_away(panel: Panel) -> None:
    panel.post("/api/mail/routes", ROUTE)
    which = {"scope": "sender_domain", "name": "example.test"}
    assert panel.delete("/api/mail/routes", **which).status_code == 200
    assert panel.delete("/api/mail/routes", **which).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"host": "a b"}, "host"),
        ({"port": 0}, "port"),
        ({"tls": "ssl"}, "tls"),
        ({"scope": "relay"}, "scope"),
        ({"user": "a\r\nb"}, "user"),
        ({"user": ""}, "user"),
    ],
)
def test_what_is_no_route_is_refused(panel: Panel, change: dict[str, Any], field: str) -> None:
    answer = panel.post("/api/mail/routes", ROUTE | change)
    assert answer.status_code == 422 and field in answer.text


def test_a_user_decides_about_neither(panel: Panel, browser: Browser) -> None:
    demo = panel.acting_for("demo")
    assert demo.get("/api/mail/routes").status_code == demo.get("/api/mail/sources").status_code == 403
    assert browser.get("/routes").status_code == browser.get("/source-addresses").status_code == 403


def test_a_source_address_is_this_machines(panel: Panel) -> None:
    given = {"domain": "example.test", "address": "127.0.0.9", "helo_name": "nine.example.test"}
    assert panel.post("/api/mail/sources", given).status_code == 200
    refused = panel.post("/api/mail/sources", given | {"address": "192.0.2.1"})
    assert refused.status_code == 422 and "this machine does not have the address 192.0.2.1" in refused.text
    listed = panel.get("/api/mail/sources").json
    assert listed and [row["address"] for row in listed["sources"]] == ["127.0.0.9"] and listed["settings"] == []
    assert panel.delete("/api/mail/sources", domain="example.test", family=6).status_code == 404
    assert panel.delete("/api/mail/sources", domain="example.test").status_code == 200


# Pages


def test_a_route_is_made_changed_and_removed_on_its_page(admin: Browser, panel: Panel) -> None:
    assert "No routes" in admin.text_of("/routes")
    assert admin.post("/routes", FORM).status_code == 303
    shown = admin.get("/routes?scope=sender_domain&name=example.test").text
    assert 'value="smtp.remote.example"' in shown and "A password is stored" in shown and "very secret" not in shown
    assert admin.post("/routes", FORM | {"password": "", "port": ""}).status_code == 303
    (stored,) = panel.get("/api/mail/routes").json["routes"]  # type: ignore[index]
    assert (stored["port"], stored["password_set"]) == (587, True)
    which = {"do": "remove", "scope": "sender_domain", "name": "example.test"}
    assert admin.post("/routes", which).status_code == 303
    assert admin.post("/routes", which).status_code == 404


def test_a_direct_route_needs_no_server(admin: Browser) -> None:
    assert "Give a host" in admin.post("/routes", FORM | {"host": ""}).text
    assert admin.post("/routes", FORM | {"host": "", "direct": "1"}).status_code == 303
    assert "from example.test the domain’s own servers (MX)" in admin.text_of("/routes")


def test_a_wrong_route_stays_in_its_form_without_the_password(admin: Browser) -> None:
    wrong = admin.post("/routes", FORM | {"name": "a b"})
    assert wrong.status_code == 422 and 'value="a b"' in wrong.text and "very secret" not in wrong.text


def test_a_port_that_cannot_be_is_said_in_words(admin: Browser) -> None:
    wrong = admin.post("/routes", FORM | {"port": "99999"})
    assert wrong.status_code == 422 and "A port is a number from 1 to 65535." in wrong.text
    relay = {"relay_host": "smtp.remote.example", "relay_port": "x", "relay_tls": "tls"}
    assert "A port is a number from 1 to 65535." in admin.post("/relay", relay).text


def test_source_addresses_have_a_page(admin: Browser) -> None:
    given = {"do": "save", "domain": "example.test", "address": "127.0.0.9", "helo_name": "nine.example.test"}
    assert admin.post("/source-addresses", given).status_code == 303
    assert "example.test 127.0.0.9 nine.example.test" in admin.text_of("/source-addresses")
    refused = admin.post("/source-addresses", given | {"address": "192.0.2.1"})
    assert refused.status_code == 422 and "This machine does not have the address 192.0.2.1." in refused.text
    assert admin.post("/source-addresses", given | {"do": "remove"}).status_code == 303
    assert admin.post("/source-addresses", given | {"do": "remove"}).status_code == 404
