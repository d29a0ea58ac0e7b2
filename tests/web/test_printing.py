"""Messages for paper: whole, without scripts, and with nothing of a stranger's that could do more than be read."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.message.compose import OutgoingAttachment

from web.support import Browser, deliver, index, words
from web.test_conversations import link, three

QUOTED = "Hello.\n\n> one\n> two\n> three\n> four\n> five\n-- \nAnn\nline\nline\nline\nline\nlast line\n"


def test_a_message_is_printed_with_its_quotes_its_head_and_the_names_of_its_files(
    app: Flask, database: Database
) -> None:
    files = [OutgoingAttachment("offer.pdf", "application/pdf", b"%PDF-1.4")]
    email_id = deliver(database, subject="Offer", text=QUOTED, cc="Bob <bob@remote.example>", attachments=files)
    answer = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}/print")
    text = words(answer.text)
    for each in ("Offer", "Ann Taylor <ann@remote.example>", "bob@remote.example", "offer.pdf", "five", "last line"):
        assert each in text
    assert "<details" not in answer.text and "<script" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-same-origin allow-modals" in policy and "script" not in policy
    assert "prefers-color-scheme" not in answer.text


def test_the_rules_of_one_message_do_not_reach_another(app: Flask, database: Database) -> None:
    html = "<style>p{color:red} @media (prefers-color-scheme: dark){p{color:white}}</style><p>QUESTION</p>"
    email_id = deliver(database, text=None, html=html)
    page = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}/print").text
    assert f".printed-{email_id} p{{color:red}}" in page.replace(" {", "{").replace("m-printed", "printed")
    assert "white" not in page


def test_a_conversation_is_printed_whole_the_oldest_first(app: Flask, database: Database) -> None:
    three(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    number = link(demo).partition("?")[0].rpartition("/")[2]
    page = demo.text_of(f"/conversations/{number}/print")
    assert 0 < page.index("QUESTION") < page.index("ANSWERED") < page.index("THANKS")
    assert "/print" in demo.get(f"/conversations/{number}").text
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.get(f"/conversations/{number}/print").status_code == 404


def test_a_long_signature_is_folded_and_a_long_text_is_none(app: Flask, database: Database) -> None:
    demo = Browser.logged_in(app.test_client(), "demo")
    signed = deliver(database, text=QUOTED)
    letter = deliver(database, text="Hello.\n--\n" + "a line\n" * 60)
    short = deliver(database, text="Hello.\n-- \nAnn\n")
    assert '<details class="signature">' in demo.get(f"/messages/{signed}").text
    assert '<details class="signature">' not in demo.get(f"/messages/{letter}").text
    assert '<details class="signature">' not in demo.get(f"/messages/{short}").text


def test_remote_images_are_printed_where_they_are_shown(app: Flask, database: Database) -> None:
    email_id = deliver(database, text=None, html='<p>x</p><img src="https://i.example/a.png" alt="Words">')
    index(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    assert "i.example" not in demo.get(f"/messages/{email_id}/print?images=0").text
    assert "Words" in demo.text_of(f"/messages/{email_id}/print")
