"""What one writes with: names, signatures, templates and choices, by page and API, each its owner's alone."""

from __future__ import annotations

from onifast_shared.db.database import Database
from onifast_shared.mailboxes import identities, preferences, templates
from onifast_shared.mailboxes.identities import Identity
from onifast_shared.mailboxes.preferences import WritingChoice
from onifast_shared.message import parsing
from onifast_web.actions import recipient_facts

from web.support import Browser, Panel, deliver, give_address, words


def test_a_name_and_a_signature_are_set_on_the_page(browser: Browser, database: Database) -> None:
    form = {"address": "demo@example.test", "name": "Demo\r\nPerson", "text": "Yours\r\nDemo"}
    assert browser.post("/identities", form).status_code == 303
    found = database.read(lambda tx: identities.of(tx, "demo"))["demo@example.test"]
    assert (found.name, found.signature_text, found.signature_html) == ("Demo Person", "Yours\nDemo", "")
    page = browser.get("/compose").text
    assert "-- \nYours\nDemo" in page and "Demo Person &lt;demo@example.test&gt;" in page


def test_a_signatures_html_is_made_fit_to_be_sent(browser: Browser, database: Database) -> None:
    html = '<b onclick="x()">Demo</b><script>x()</script><img src="javascript:x()">'
    browser.post("/identities", {"address": "demo@example.test", "html": html, "text": "other"})
    found = database.read(lambda tx: identities.of(tx, "demo"))["demo@example.test"]
    assert found.signature_text == "Demo"
    assert "<b>Demo</b>" in found.signature_html
    assert not any(bad in found.signature_html for bad in ("script", "onclick", "javascript"))


def test_nobody_sets_what_goes_with_somebody_elses_address(browser: Browser, panel: Panel) -> None:
    assert browser.post("/identities", {"address": "maria@other.test", "name": "x"}).status_code == 404
    answer = panel.acting_for("demo").post("/api/mail/identities", {"address": "maria@other.test", "name": "x"})
    assert answer.status_code == 404


def test_what_is_wrong_stands_at_its_field(browser: Browser) -> None:
    answer = browser.post("/identities", {"address": "demo@example.test", "name": "Demo", "reply_to": "nobody"})
    assert answer.status_code == 422 and 'id="reply-1-error"' in answer.text and 'value="Demo"' in answer.text


def test_a_message_goes_out_under_the_name_from_the_default_address(browser: Browser, database: Database) -> None:
    give_address(database, "sales@example.test", "demo")
    browser.post("/identities", {"address": "sales@example.test", "name": "Grüße, Sales", "is_default": "1"})
    page = browser.get("/compose").text
    assert page.index("sales@example.test") < page.index(">demo@example.test")
    form = {"from": "sales@example.test", "to": "ann@remote.example", "subject": "x", "text": "Hi", "do": "send"}
    browser.post("/compose", form)
    raw = database.read(lambda tx: tx.execute("SELECT data FROM contents ORDER BY id DESC LIMIT 1").get)
    sent = parsing.parse(bytes(raw))
    assert (sent.sender_name, str(sent.sender)) == ("Grüße, Sales", "sales@example.test")


def test_templates_are_kept_changed_and_deleted(browser: Browser, panel: Panel, database: Database) -> None:
    assert (
        browser.post("/templates", {"name": "Thanks", "subject": "Thank you", "text": "Many thanks"}).status_code == 303
    )
    (made,) = database.read(lambda tx: templates.list_all(tx, "demo"))
    assert browser.get(f"/templates/{made.id}").json == {"subject": "Thank you", "html": "", "text": "Many thanks"}
    assert "Many thanks" in browser.get(f"/compose?template={made.id}").text
    assert browser.post("/templates", {"name": "Thanks", "text": "again"}).status_code == 422
    assert browser.post("/templates", {"name": "", "text": ""}).status_code == 422
    api = panel.acting_for("demo")
    changed = api.client.patch("/api/mail/templates", json={"id": made.id, "text": "New"}, headers=api.headers).json
    assert changed is not None and (changed["name"], changed["text"]) == ("Thanks", "New")
    assert panel.acting_for("maria").get("/api/mail/templates").json == {"templates": []}
    assert (
        Browser.logged_in(browser.client.application.test_client(), "maria").get(f"/templates/{made.id}").status_code
        == 404
    )
    browser.post("/templates", {"id": str(made.id), "do": "delete"})
    assert api.get("/api/mail/templates").json == {"templates": []}


def test_how_one_writes_is_chosen_for_all_messages(browser: Browser, database: Database) -> None:
    browser.post("/writing", {"looks": "plain", "language": "de", "receipts": "never"})
    assert database.read(lambda tx: preferences.writing(tx, "demo")) == WritingChoice(True, "de", "never")
    page = browser.get("/compose").text
    assert " data-rich" not in page and '<option value="de" lang="de" selected>' in page
    assert browser.post("/writing", {"looks": "x", "language": "", "receipts": "ask"}).status_code == 400


def test_the_api_tells_and_sets_identities(panel: Panel, database: Database) -> None:
    api = panel.acting_for("demo")
    body = {"address": "DEMO@example.test", "name": "Demo", "signature_html": "<b>D</b>", "is_default": True}
    made = api.post("/api/mail/identities", body).json
    assert made is not None and (made["address"], made["signature_text"]) == ("demo@example.test", "D")
    assert api.get("/api/mail/identities").json == {"identities": [made]}
    database.write(lambda tx: identities.put(tx, "maria", Identity("maria@other.test", "Maria")))
    assert "Maria" not in api.get("/api/mail/identities").text


def test_facts_are_the_askers_own(browser: Browser, database: Database) -> None:
    deliver(database, owner="maria", recipient="maria@other.test")
    found = browser.get("/compose/recipients?r=ann@remote.example&r=x").json
    assert isinstance(found, list)
    assert [(each["kind"], each["facts"]) for each in found] == [
        ("note", ["At another site, remote.example.", "You have never written to them."]),
        ("stop", []),
    ]
    many = "&".join(f"r=a{n}@b.test" for n in range(recipient_facts.MOST + 5))
    assert len(browser.get(f"/compose/recipients?{many}").json or []) == recipient_facts.MOST


def test_a_template_is_no_bigger_than_it_may_be(browser: Browser) -> None:
    answer = browser.post("/templates", {"name": "x", "text": "y" * 200_001})
    assert answer.status_code == 422 and "200,000" in words(answer.text)
