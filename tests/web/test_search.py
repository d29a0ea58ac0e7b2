"""Search in API and webmail: what was found and where it stands, and a sentence for what is not understood."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labelling, labels
from onifast_shared.message.compose import OutgoingAttachment

from web.support import Browser, Panel, deliver, index

DAY = 86400


@pytest.fixture
def mail(database: Database) -> dict[str, int]:
    """Mail of demo's in several folders."""
    pdf = OutgoingAttachment("Report.pdf", "application/pdf", b"%PDF-1.4")
    ids = {
        "old": deliver(database, subject="Invoice of March", text="Please pay soon.", received=1_700_000_000),
        "file": deliver(database, subject="Report", text="The invoices <are> attached.", attachments=[pdf]),
        "sent": deliver(database, subject="Re: Invoice", text="Paid.", folder="sent", recipient="bob@x.test"),
    }
    deliver(database, subject="Invoice of another", owner="ann", recipient="ann@example.test")
    index(database)
    return ids


def listed(panel: Panel, **query: object) -> Any:
    answer = panel.acting_for("demo").get("/api/mail/list", **query)
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(panel: Panel, **query: object) -> list[int]:
    return [each["id"] for each in listed(panel, **query)["emails"]]


def test_the_api_searches_one_folder_or_all(panel: Panel, mail: dict[str, int]) -> None:
    assert ids(panel, q="invoice") == [mail["file"], mail["old"]]
    assert ids(panel, q="invoice", folder="all") == [mail["sent"], mail["file"], mail["old"]]
    assert ids(panel, q="invoice in:sent") == [mail["sent"]]
    assert ids(panel, q="has:attachment", folder="all") == [mail["file"]]
    assert ids(panel, q="invoice", folder="all", sort="rank")[-1] == mail["file"]
    assert ids(panel, q="invoice", address="bob@x.test", folder="all") == [mail["sent"]]
    assert ids(panel, address="bob@x.test", folder="all") == [mail["sent"]]
    assert ids(panel, folder="all") == [mail["sent"], mail["file"], mail["old"]]
    everybodys: Any = panel.get("/api/mail/list", q="invoice", folder="all").json
    assert len(everybodys["emails"]) == 4


def test_pages_of_a_search_follow_each_other(panel: Panel, mail: dict[str, int]) -> None:
    first = listed(panel, q="invoice", folder="all", limit=2)
    assert ids(panel, q="invoice", folder="all", limit=2, cursor=first["next_cursor"]) == [mail["old"]]
    assert panel.acting_for("demo").get("/api/mail/list", q="invoice", cursor="x").status_code == 422


def test_the_api_shows_what_was_found(panel: Panel, mail: dict[str, int]) -> None:
    (found, *_) = listed(panel, q="-march invoice")["emails"]
    assert found["highlights"] == {
        "subject": [{"text": "Report", "is_match": False}],
        "snippet": [
            {"text": "The ", "is_match": False},
            {"text": "invoice", "is_match": True},
            {"text": "s <are> attached.", "is_match": False},
        ],
    }
    (row, *_) = listed(panel)["emails"]
    assert "highlights" not in row


@pytest.mark.parametrize(
    ("q", "sentence"),
    [
        ("foo:bar", "“foo:” is no operator. There are from:, to:,"),
        ("from:", "After from: comes a name or an address"),
        ("is:un", "After is: comes unread, read or starred; “un” is none of that."),
        ("label:x", "There is no label “x”"),
        ("()", "nothing in the parentheses"),
    ],
)
def test_what_is_not_understood_gets_a_sentence(
    q: str, sentence: str, panel: Panel, browser: Browser, mail: dict[str, int]
) -> None:
    answer = panel.acting_for("demo").get("/api/mail/list", q=q)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    problem: Any = answer.json
    assert problem["errors"][0]["field"] == "q" and sentence in problem["detail"]
    text = browser.text_of(f"/folders/inbox?q={q}")
    assert "That search is not understood" in text and sentence in text and "Nothing found" not in text


def test_the_webmail_searches_one_folder_or_all(browser: Browser, mail: dict[str, int]) -> None:
    page = browser.get("/folders/inbox?q=invoice").text
    assert "<mark>Invoice</mark> of March" in page and "The <mark>invoice</mark>s &lt;are&gt; attached." in page
    assert "Re: " not in page
    text = browser.text_of("/folders/inbox?q=invoice&in=all")
    assert "Re: Invoice" in text and "Sent" in text and "To bob@x.test" in text
    assert browser.get("/folders/inbox?q=invoice&in=all&sort=rank").text.count('class="row"') == 0
    assert "No message in Inbox matches “zebra”." in browser.text_of("/folders/inbox?q=zebra")
    assert "No message matches “zebra”." in browser.text_of("/folders/inbox?q=zebra&in=all")
    assert browser.get("/folders/inbox?q=invoice&cursor=x").status_code == 404


def test_a_search_that_is_not_complete_says_so(
    panel: Panel, browser: Browser, database: Database, mail: dict[str, int]
) -> None:
    complete = listed(panel, q="invoice")
    assert "incomplete_before" not in complete
    database.write(lambda tx: tx.execute("UPDATE search_progress SET position = ?", (mail["old"],)))
    answer = listed(panel, q="invoice")
    assert answer["incomplete_before"] == "2023-11-14T22:13:21Z"
    assert "Older mail is still being made searchable" in browser.text_of("/folders/inbox?q=invoice")
    assert "incomplete_before" not in listed(panel, q="is:unread")


def test_a_list_finds_out_once_about_mail_that_is_not_indexed(panel: Panel, database: Database) -> None:
    deliver(database, subject="Fresh", text="From the press.")
    first = listed(panel)["emails"]
    assert (first[0]["subject"], first[0]["snippet"]) == ("Fresh", "From the press.")
    # What was found out is there for the next one, which has nothing to look into.
    database.write(lambda tx: tx.execute("UPDATE contents SET data = x''"))
    assert listed(panel)["emails"] == first


def test_an_address_is_found_by_its_index(panel: Panel, database: Database, mail: dict[str, int]) -> None:
    for number in range(5):
        deliver(database, subject=f"n{number}", recipient="Sales@Example.test", received=1_800_000_000 + number)
    seen, cursor = [], None
    while True:
        query = {"address": "sales@example.test", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = listed(panel, **query)
        seen += [each["subject"] for each in page["emails"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["n4", "n3", "n2", "n1", "n0"]
    assert ids(panel, address="ann@remote.example") != []
    assert ids(panel, address="nobody@remote.example") == []
    assert ids(panel, address="ann@remote.example", starred="1") == []
    assert ids(panel, address="ann@remote.example", unread="1") == ids(panel, address="ann@remote.example")
    label = database.write(lambda tx: labels.create(tx, "demo", "To do", now=1.0))
    database.write(lambda tx: labelling.assign(tx, label, [mail["old"]]))
    assert ids(panel, address="ann@remote.example", label=label.id) == [mail["old"]]
    assert ids(panel, q="invoice", label=label.id) == [mail["old"]]
    assert ids(panel, q="invoice", starred="1") == []
