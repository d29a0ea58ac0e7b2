"""The webmail's pages, as a browser without JavaScript gets them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.compose import OutgoingAttachment

from web.support import PNG, Browser, Panel, deliver, index, queue, words

# Lists


def test_the_list_shows_who_wrote_what(browser: Browser, database: Database) -> None:
    deliver(database, subject="Lunch on Thursday?", text="By the river.")
    shown = browser.text_of("/folders/inbox")
    assert "Ann Taylor" in shown and "Lunch on Thursday?" in shown and "By the river." in shown


@pytest.mark.parametrize("folder", ["inbox", "drafts", "sent", "junk", "archive", "trash"])
def test_an_empty_folder_says_so_kindly(browser: Browser, folder: str) -> None:
    assert re.search("empty|Nothing here yet", browser.text_of(f"/folders/{folder}"))


def test_hostile_subjects_and_names_are_text(browser: Browser, database: Database) -> None:
    deliver(database, subject="<script>alert(1)</script>", sender='"<img src=x>" <a@b.test>')
    page = browser.get("/folders/inbox").text
    assert "<script>alert" not in page and "<img src=x>" not in page


def test_search_looks_for_words(browser: Browser, database: Database) -> None:
    deliver(database, subject="Invoice for May")
    deliver(database, subject="Holiday")
    index(database)
    found = browser.text_of("/folders/inbox?q=invoice")
    assert "Invoice for May" in found and "Holiday" not in found
    assert "Nothing found" in browser.text_of("/folders/inbox?q=zebra")


def test_older_messages_are_on_further_pages(browser: Browser, database: Database) -> None:
    for number in range(52):
        deliver(database, subject=f"Number {number}", received=1_790_000_000 + number)
    first = browser.get("/folders/inbox").text
    assert "Number 51" in first and "Number 1<" not in first
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link
    assert "Number 1" in browser.text_of(link[1].replace("&amp;", "&"))


def test_selected_messages_move_and_can_be_moved_back(browser: Browser, database: Database) -> None:
    ids = [deliver(database, subject=f"Number {number}") for number in range(2)]
    answer = browser.post("/messages", {"ids": ids, "action": "move:trash", "back": "inbox"})
    page = browser.get(answer.headers["Location"]).text
    assert "Moved 2 messages to Trash." in words(page) and "Number 0" not in page
    undo = re.search(r'action="(/acts/\d+/undo)"', page)
    assert undo and ">Undo<" in page
    back = browser.post(undo[1])
    page = browser.text_of(back.headers["Location"])
    assert "Undone." in page and "Number 0" in page


def test_messages_are_marked_as_read_and_unread(browser: Browser, database: Database) -> None:
    email_id = deliver(database)
    browser.post("/messages", {"ids": email_id, "action": "read", "back": "inbox"})
    assert "Unread:" not in browser.text_of("/folders/inbox")
    browser.post("/messages", {"ids": email_id, "action": "unread", "back": "inbox"})
    assert "Unread:" in browser.text_of("/folders/inbox")


def test_only_what_lies_in_the_trash_is_deleted_for_good(browser: Browser, database: Database) -> None:
    kept, gone = deliver(database), deliver(database, folder="trash")
    browser.post("/messages", {"ids": [kept, gone], "action": "purge", "back": "trash"})
    assert browser.get(f"/messages/{kept}").status_code == 200
    assert browser.get(f"/messages/{gone}").status_code == 404


def test_nobody_moves_another_users_messages(browser: Browser, database: Database) -> None:
    foreign = deliver(database, owner="maria")
    browser.post("/messages", {"ids": foreign, "action": "move:trash", "back": "inbox"})
    row = database.read(lambda tx: mailbox.get(tx, "maria", foreign))
    assert row is not None and row.folder == "inbox"


def test_an_unread_message_is_counted_in_the_sidebar(browser: Browser, database: Database) -> None:
    deliver(database)
    assert 'data-count="inbox">1<' in browser.get("/folders/sent").text


# One message


def test_opening_a_message_shows_and_marks_it(browser: Browser, database: Database) -> None:
    email_id = deliver(database, subject="Lunch", text="By the river: https://river.example/")
    page = browser.get(f"/messages/{email_id}").text
    assert '<a href="https://river.example/"' in page and "ann@remote.example" in page
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    assert row is not None and row.is_read


def test_a_link_on_another_site_does_not_mark_a_message_as_read(browser: Browser, database: Database) -> None:
    email_id = deliver(database)
    browser.get(f"/messages/{email_id}", headers={"Sec-Fetch-Site": "cross-site"})
    browser.get(f"/messages/{email_id}", headers={"Sec-Purpose": "prefetch"})
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    assert row is not None and not row.is_read


def test_a_foreign_message_is_a_page_that_says_there_is_none(browser: Browser, database: Database) -> None:
    foreign = deliver(database, owner="maria", attachments=[OutgoingAttachment("a.txt", "text/plain", b"secret")])
    for path in ("", "/html", "/attachments/0", "/source", "/raw"):
        answer = browser.get(f"/messages/{foreign}{path}")
        assert answer.status_code == 404 and "secret" not in answer.text, path
    assert browser.get(f"/compose?forward={foreign}").status_code == 404
    assert browser.get("/messages/99999999999999999999").status_code == 404


def test_html_is_shown_in_a_locked_frame(browser: Browser, database: Database) -> None:
    email_id = deliver(database, html='<p>Hi<script>x()</script><img src="https://t.example/x.png"></p>')
    page = browser.get(f"/messages/{email_id}").text
    assert "One remote image is not shown" in words(page) and "t.example" not in page
    frame = re.search(r'<iframe[^>]+src="([^"]+)"[^>]+sandbox="([^"]+)"', page)
    assert frame and "allow-scripts" not in frame[2]
    answer = browser.get(frame[1])
    policy = answer.headers["Content-Security-Policy"]
    assert "img-src data:;" in policy and "sandbox" in policy and "script-src" not in policy
    assert "t.example" not in answer.text and "<script" not in answer.text


def test_remote_images_come_when_asked_for(browser: Browser, database: Database) -> None:
    email_id = deliver(database, html='<img src="https://t.example/x.png">')
    assert f"/messages/{email_id}/html?images=1" in browser.get(f"/messages/{email_id}?images=1").text
    answer = browser.get(f"/messages/{email_id}/html?images=1")
    assert "https://t.example/x.png" in answer.text
    assert "img-src data: https: http:" in answer.headers["Content-Security-Policy"]


def test_an_html_message_can_be_read_as_text(browser: Browser, database: Database) -> None:
    email_id = deliver(database, text="The plain words.", html="<p>The <b>rich</b> words.</p>")
    page = browser.get(f"/messages/{email_id}?view=text").text
    assert "The plain words." in page and "<iframe" not in page


def test_an_attachment_is_saved_and_never_shown(browser: Browser, database: Database) -> None:
    page = OutgoingAttachment("../evil.html", "text/html", b"<script>alert(1)</script>")
    picture = OutgoingAttachment("Bild ä.png", "image/png", PNG)
    email_id = deliver(database, attachments=[page, picture])
    html = browser.get(f"/messages/{email_id}/attachments/0")
    assert html.mimetype == "application/octet-stream" and html.data == b"<script>alert(1)</script>"
    disposition = html.headers["Content-Disposition"]
    assert disposition.startswith("attachment") and ".." not in disposition
    assert "sandbox" in html.headers["Content-Security-Policy"]
    image = browser.get(f"/messages/{email_id}/attachments/1")
    assert image.mimetype == "image/png"
    assert "filename*=UTF-8''Bild%20%C3%A4.png" in image.headers["Content-Disposition"]
    assert browser.get(f"/messages/{email_id}/attachments/2").status_code == 404


def test_the_source_and_the_file_are_the_bytes_as_they_came(browser: Browser, database: Database) -> None:
    raw = b"Subject: Raw\r\nX-Odd: <b>\r\n\r\nBody\r\n"
    email_id = deliver(database, raw=raw)
    assert "X-Odd" in browser.text_of(f"/messages/{email_id}/source")
    answer = browser.get(f"/messages/{email_id}/raw")
    assert answer.data == raw and answer.mimetype == "message/rfc822"


@pytest.mark.parametrize(
    ("checked", "said"),
    [
        ({"dkim": "pass", "dkim_domains": ["remote.example"]}, "Really from remote.example"),
        ({"dkim": "pass", "dkim_domains": ["example"]}, "Really from remote.example"),
        ({"dkim": "pass", "dkim_domains": ["evil.example"]}, "Could not be verified"),
        ({"dkim": "pass", "dkim_domains": ["ote.example"]}, "Could not be verified"),
        ({"spf": "fail", "dkim": "none"}, "could be forged"),
        ({"spf": "pass", "dkim": "none"}, "Could not be verified"),
        ({"dmarc": "fail", "dkim": "pass", "dkim_domains": ["remote.example"]}, "could be forged"),
    ],
)
def test_the_senders_checks_are_told_in_words(
    browser: Browser, database: Database, checked: dict[str, object], said: str
) -> None:
    assert said in browser.text_of(f"/messages/{deliver(database, authentication=checked)}")


def test_junk_says_why_it_is_there(browser: Browser, database: Database) -> None:
    why = ["It is in junk because of <b>that</b>.", "SPF failed."]
    checked = {"spf": "fail", "dmarc": "fail", "why": why, "reason": why[0]}
    shown = browser.get(f"/messages/{deliver(database, authentication=checked, folder='junk')}").text
    assert shown.count("It is in junk because of &lt;b&gt;that&lt;/b&gt;.") == 2
    assert "<li>SPF failed.</li>" in shown


def test_a_sent_message_shows_the_fate_of_each_recipient(browser: Browser, database: Database) -> None:
    queue(database, "ann@remote.example", "bob@remote.example")
    (row,) = database.read(lambda tx: mailbox.list_page(tx, "demo", "sent")).rows
    shown = browser.text_of(f"/messages/{row.id}")
    assert "Waiting ann@remote.example" in shown and "Waiting bob@remote.example" in shown


def test_a_recipients_domain_stands_in_its_own_script(browser: Browser, database: Database) -> None:
    (row_id,) = queue(database, "ann@xn--bcher-kva.example")
    (row,) = database.read(lambda tx: mailbox.list_page(tx, "demo", "sent")).rows
    assert "Waiting ann@bücher.example" in browser.text_of(f"/messages/{row.id}")
    for page in ("/outbox", "/outbox?q=Bücher"):
        shown = browser.text_of(page)
        assert "ann@bücher.example" in shown and "xn--" not in shown
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed'"))
    assert "not sent to ann@bücher.example" in browser.text_of(f"/outbox/{row_id}")


# Outbox


def test_the_outbox_tells_the_state_in_words(browser: Browser, database: Database) -> None:
    (row_id,) = queue(database, "ann@remote.example", subject="Offer")
    database.write(
        lambda tx: tx.execute(
            "UPDATE outbox SET status = 'deferred', last_error = '451 greylisted', next_attempt_ts = 1790000000"
        )
    )
    shown = browser.text_of("/outbox")
    assert "Trying again" in shown and "451 greylisted" in shown and "21 Sep 2026" in shown
    browser.post("/outbox", {"ids": row_id, "action": "hold"})
    assert "On hold" in browser.text_of("/outbox?status=held")
    assert "Offer" not in browser.text_of("/outbox?status=sent")


def test_the_outbox_is_searched(browser: Browser, database: Database) -> None:
    queue(database, "ann@remote.example", subject="Offer")
    queue(database, "bob@remote.example", subject="Holiday")
    found = browser.text_of("/outbox?q=ANN@")
    assert "Offer" in found and "Holiday" not in found
    assert "No delivery here matches “nobody”" in browser.text_of("/outbox?q=nobody")
    assert 'name="status" value="pending"' in browser.get("/outbox?status=pending&q=ann").text


def test_all_pages_of_a_list_are_acted_on_at_once(browser: Browser, database: Database) -> None:
    for number in range(52):
        queue(database, f"r{number}@shop.example")
    queue(database, "ann@remote.example")
    assert 'name="every"' not in browser.get("/outbox?q=ann").text
    assert 'name="every"' in browser.get("/outbox?q=shop.example").text
    answer = browser.post("/outbox", {"ids": "1", "every": "1", "q": "shop.example", "action": "hold"})
    assert "52 deliveries" in words(browser.get(answer.headers["Location"]).text)
    held = database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox WHERE status = 'held'").get)
    assert held == 52


def test_what_the_sandbox_captured_can_be_read(browser: Browser, database: Database) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed'"))
    assert "was captured here and not sent to ann@remote.example" in browser.text_of(f"/outbox/{row_id}")


def test_another_users_delivery_is_not_there(browser: Browser, database: Database) -> None:
    (foreign,) = queue(database, "ann@remote.example", owner="maria")
    assert browser.get(f"/outbox/{foreign}").status_code == 404
    browser.post("/outbox", {"ids": foreign, "action": "cancel"})
    assert database.read(lambda tx: tx.execute("SELECT status FROM outbox").get) == "pending"


def test_an_administrator_sees_the_queue_but_not_what_others_write(client: FlaskClient, database: Database) -> None:
    (foreign,) = queue(database, "ann@remote.example", owner="maria")
    admin = Browser.logged_in(client, "root-admin")
    page = admin.get("/outbox").text
    assert "ann@remote.example" in page and f"/outbox/{foreign}" not in page
    assert "To ann@remote.example: " in words(page)
    assert admin.get(f"/outbox/{foreign}").status_code == 404


# Settings


def test_an_administrator_gives_and_takes_addresses(client: FlaskClient) -> None:
    admin = Browser.logged_in(client, "root-admin")
    assert admin.post("/addresses", {"do": "add", "address": "new@example.test", "owner": "maria"}).status_code == 303
    assert "new@example.test" in admin.text_of("/addresses")
    wrong = admin.post("/addresses", {"do": "add", "address": "new2@example.test", "owner": "nobody"})
    assert wrong.status_code == 422 and "no panel user" in wrong.text
    admin.post("/addresses", {"do": "remove", "address": "new@example.test"})
    assert "new@example.test" not in admin.text_of("/addresses")


def test_a_user_sees_his_addresses_and_changes_none(browser: Browser) -> None:
    shown = browser.text_of("/addresses")
    assert "demo@example.test" in shown and "maria@other.test" not in shown
    assert browser.post("/addresses", {"do": "remove", "address": "demo@example.test"}).status_code == 403


def test_the_relays_page_never_holds_the_password(client: FlaskClient, panel: Panel) -> None:
    admin = Browser.logged_in(client, "root-admin")
    form = {
        "relay_host": "smtp.relay.example",
        "relay_port": "",
        "relay_user": "u",
        "relay_tls": "tls",
        "relay_password": "relay secret",
    }
    assert admin.post("/relay", form).status_code == 303
    page = admin.get("/relay").text
    assert "relay secret" not in page and 'value="465"' in page and "A password is stored" in page
    wrong = admin.post("/relay", form | {"relay_host": "a b"})
    assert wrong.status_code == 422 and 'value="a b"' in wrong.text and "relay secret" not in wrong.text
    admin.post("/relay", form | {"relay_password": ""})
    assert panel.get("/api/mail/config").json["relay_password_set"] is True  # type: ignore[index]
    admin.post("/relay", form | {"relay_password": "", "forget_password": "1"})
    assert panel.get("/api/mail/config").json["relay_password_set"] is False  # type: ignore[index]


def test_a_user_has_no_relay_page(browser: Browser) -> None:
    assert browser.get("/relay").status_code == 403
    assert 'href="/relay"' not in browser.get("/folders/inbox").text


def test_a_relay_row_that_makes_no_sense_can_be_mended_on_its_page(client: FlaskClient, database: Database) -> None:
    database.write(lambda tx: tx.execute("INSERT INTO mail_config VALUES ('relay_host', 'r'), ('relay_port', 'x')"))
    assert "relay_port" in Browser.logged_in(client, "root-admin").text_of("/relay")


def test_a_domains_owner_makes_a_key_and_sees_what_to_publish(browser: Browser) -> None:
    assert "no key for this domain yet" in browser.text_of("/dkim")
    assert browser.post("/dkim", {"domain": "example.test", "action": "generate"}).status_code == 303
    shown = browser.text_of("/dkim")
    assert "mail._domainkey.example.test" in shown and "v=DKIM1; k=rsa; p=" in shown
    assert "Not published" in browser.text_of("/dkim?check=example.test")
    assert browser.post("/dkim", {"domain": "other.test", "action": "generate"}).status_code == 404


# Trouble


def test_errors_are_pages_for_people(browser: Browser) -> None:
    for path, status in (("/nothing", 404), ("/messages/4711", 404), ("/folders/nowhere", 404)):
        answer = browser.get(path)
        assert answer.status_code == status and answer.mimetype == "text/html" and "Go to your mail" in answer.text
    assert browser.client.put("/login").status_code == 405


def test_a_database_that_is_gone_is_told_as_such(browser: Browser, settings: Settings, database: Database) -> None:
    database.close()
    answer = browser.get("/folders/inbox")
    assert answer.status_code == 503 and "cannot be reached" in answer.text and str(settings.root) not in answer.text


def test_a_link_that_leads_nowhere_says_that_the_web_server_before_is_not_believed(client: FlaskClient) -> None:
    path = "/mail/sso-login?token=x"
    answer = client.get(path, headers={"X-Forwarded-Prefix": "/mail"})
    assert answer.status_code == 404 and "proxy-not-trusted" in answer.text
    assert "proxy-not-trusted" not in client.get(path).text
