"""Images that are shown once or always from a sender, and the list of these senders."""

from __future__ import annotations

from functools import partial

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import image_senders
from onifast_shared.values.address import Address
from web.letters import signed
from web.support import Browser, deliver

HTML = '<p>Look:</p><img src="https://pics.example/a.png" alt="A">'
SIGNED = signed("remote.example")["authentication"]
FORGED = {"spf": "fail", "dkim": "none", "dmarc": "fail", "arc": "none"}


def frame_of(browser: Browser, email_id: int) -> str:
    """The page within a message's page, as that asks for it."""
    page = browser.get(f"/messages/{email_id}").text
    address = page.partition('src="/messages/')[2].partition('"')[0].replace("&amp;", "&")
    return browser.get(f"/messages/{address}").text


def test_images_are_shown_once_when_asked_for(browser: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML, authentication=SIGNED)
    assert "pics.example" not in frame_of(browser, email_id)
    assert "One remote image is not shown" in browser.text_of(f"/messages/{email_id}")
    assert "pics.example" in browser.get(f"/messages/{email_id}/html?images=1").text
    assert "pics.example" not in frame_of(browser, email_id)


def test_images_from_a_sender_are_always_shown_once_the_reader_said_so(browser: Browser, database: Database) -> None:
    first, second = (deliver(database, html=HTML, authentication=SIGNED) for _ in range(2))
    other = deliver(database, html=HTML, sender="bob@remote.example", authentication=SIGNED)
    answer = browser.post(f"/messages/{first}/always-show-images", follow_redirects=True)
    assert "always shown from now on" in answer.text
    assert "pics.example" in frame_of(browser, second) and "pics.example" not in frame_of(browser, other)
    assert "Images from ann@remote.example are always shown." in browser.text_of(f"/messages/{second}")


def test_who_pretends_to_be_that_sender_gets_no_image_shown(browser: Browser, database: Database) -> None:
    database.write(lambda tx: image_senders.add(tx, "demo", Address.parse("ann@remote.example"), 0))
    email_id = deliver(database, html=HTML, authentication=FORGED)
    assert "pics.example" not in frame_of(browser, email_id)
    assert "Always from" not in browser.text_of(f"/messages/{email_id}")
    assert browser.post(f"/messages/{email_id}/always-show-images").status_code == 409


def test_the_choice_is_that_users_alone_and_can_be_taken_back(browser: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML, authentication=SIGNED)
    database.write(lambda tx: image_senders.add(tx, "maria", Address.parse("ann@remote.example"), 0))
    assert "pics.example" not in frame_of(browser, email_id)
    assert "ann@remote.example" not in browser.text_of("/image-senders")

    browser.post(f"/messages/{email_id}/always-show-images")
    assert "ann@remote.example" in browser.text_of("/image-senders")
    answer = browser.post("/image-senders", {"address": "ann@remote.example"}, follow_redirects=True)
    assert "You are asked again" in answer.text
    assert "pics.example" not in frame_of(browser, email_id)
    assert browser.post("/image-senders", {"address": "ann@remote.example"}).status_code == 404


def test_somebody_elses_message_allows_nothing(browser: Browser, database: Database) -> None:
    email_id = deliver(database, owner="maria", html=HTML, authentication=SIGNED)
    assert browser.post(f"/messages/{email_id}/always-show-images").status_code == 404


def test_the_latest_of_very_many_senders_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_senders, "MOST", 3)
    for number in range(5):
        database.write(partial(image_senders.add, username="demo", address=_address(number), now=number))
    found = database.read(lambda tx: image_senders.list_all(tx, "demo"))
    assert [row.address for row in found] == [f"a{n}@remote.example" for n in (2, 3, 4)]


def _address(number: int) -> Address:
    return Address.parse(f"a{number}@remote.example")


@pytest.mark.parametrize(
    "tracker",
    [
        '<img src="https://x.example/a.gif" width="1" height="1">',
        '<img src="https://x.example/a.gif" width=1>',
        '<img src="https://x.example/a.gif" style="width:1px;height:1px">',
        '<img src="https://x.example/a.gif" style="height:0px !important;width:0">',
        '<img src="https://x.example/wf/open?upn=abc">',
        '<img src="https://x.list-manage.example/track/open.php?u=1" width="300">',
        '<img src="https://open.sender.example/e/o/eyJlbWFpbF9pZCI6">',
        '<img src="//r.awstrack.me/I0/abc/def=1">',
        '<table background="https://x.example/wf/open?upn=abc"><tr><td>x</table>',
        '<p style="background:url(https://x.example/wf/open?upn=abc)">x</p>',
    ],
)
def test_what_only_counts_readers_is_never_loaded(browser: Browser, database: Database, tracker: str) -> None:
    email_id = deliver(database, html=f"<p>Hello</p>{tracker}", authentication=SIGNED)
    assert "example/" not in browser.get(f"/messages/{email_id}/html?images=1").text.replace("w3.org", "")
    assert "One picture that only tells the sender" in browser.text_of(f"/messages/{email_id}")
    assert "not shown" not in browser.text_of(f"/messages/{email_id}")


@pytest.mark.parametrize(
    "image",
    [
        '<img src="https://x.example/a.gif" width="600" height="1">',
        '<img src="https://x.example/a.gif" width="100%">',
        '<img src="https://x.example/images/open/door.png">',
        '<img src="https://x.example/v0/b/app/o/images%2Flogo.png?alt=media">',
        '<img src="https://x.example/a.gif" style="width:1px;height:40px">',
    ],
)
def test_what_is_there_to_be_seen_is_no_tracker(browser: Browser, database: Database, image: str) -> None:
    email_id = deliver(database, html=image, authentication=SIGNED)
    assert "x.example" in browser.get(f"/messages/{email_id}/html?images=1").text
