"""Answers by gzip: where they are, where another site must not have them, and what they do not give away."""

from __future__ import annotations

import gzip
import re

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_web.http import csrf
from web.support import Browser, Panel, deliver
from werkzeug.test import TestResponse

HERE = {"Accept-Encoding": "gzip, deflate, br", "Sec-Fetch-Site": "same-origin"}
HEAD = 300
"""Octets of an answer's head, more or less."""
PAGE = "/folders/inbox"


def is_gzipped(answer: TestResponse) -> bool:
    assert answer.status_code == 200
    return answer.headers.get("Content-Encoding") == "gzip"


def token_in(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


def test_a_page_is_sent_by_gzip_to_who_takes_it(browser: Browser, database: Database) -> None:
    deliver(database)
    answer = browser.get(PAGE, headers=HERE)
    assert is_gzipped(answer)
    page = gzip.decompress(answer.data).decode()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert answer.content_length == len(answer.data) < len(page) / 3
    assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("accepts", ["", "identity", "gzip;q=0", "br"])
def test_who_does_not_take_it_gets_the_page_as_it_is(browser: Browser, accepts: str) -> None:
    answer = browser.get(PAGE, headers=HERE | {"Accept-Encoding": accepts})
    assert not is_gzipped(answer) and answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", None])
def test_nothing_that_another_site_asks_for_is_compressed(browser: Browser, database: Database, site: str) -> None:
    deliver(database)
    headers = {"Accept-Encoding": "gzip"} | ({} if site is None else {"Sec-Fetch-Site": site})
    assert not is_gzipped(browser.get(f"{PAGE}?q=guess", headers=headers))


def test_what_the_user_opens_themselves_is_compressed(browser: Browser) -> None:
    assert is_gzipped(browser.get(PAGE, headers=HERE | {"Sec-Fetch-Site": "none"}))


def test_a_program_gets_json_by_gzip_with_a_weak_etag_that_counts(panel: Panel, database: Database) -> None:
    for _ in range(5):
        deliver(database, owner="demo")
    headers = panel.headers | {"X-Onifast-User": "demo", "Accept-Encoding": "gzip"}
    answer = panel.client.get("/api/mail/list", headers=headers)
    assert is_gzipped(answer) and gzip.decompress(answer.data).startswith(b'{"emails":[')
    etag = answer.headers["ETag"]
    assert etag.startswith('W/"')
    again = panel.client.get("/api/mail/list", headers=headers | {"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_small_answers_and_files_stay_as_they_are(browser: Browser, database: Database) -> None:
    assert not is_gzipped(browser.get("/api/mail/counts", headers=HERE))
    email_id = deliver(database)
    assert not is_gzipped(browser.get(f"/messages/{email_id}/raw", headers=HERE))


def test_a_style_sheet_is_sent_by_gzip_even_to_who_says_nothing_of_the_site(client: FlaskClient) -> None:
    path = re.findall(r'href="(/static/[^"]+style\.css)"', client.get("/login").text)[0]
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = client.get(path)
    assert is_gzipped(packed) and not is_gzipped(plain)
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.mimetype == plain.mimetype == "text/css"
    seen = client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})
    assert seen.status_code == 304


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "style.css/", "", "nothing.js", "%00", "fonts/x"])
def test_nothing_but_the_files_themselves_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/x/{name}").status_code == 404


def test_a_first_page_with_all_that_it_loads_is_below_100_kb_on_the_wire(browser: Browser, database: Database) -> None:
    for _ in range(50):
        deliver(database)
    answer = browser.get(PAGE, headers=HERE)
    page = gzip.decompress(answer.data).decode()
    loads = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
    version = next(iter(loads)).split("/")[2]
    waiting = [path for path in loads if path.endswith(".js")]
    while waiting:  # what modules import comes along
        text = browser.get(waiting.pop()).text
        more = {f"/static/{version}/{name}" for name in re.findall(r'^import .*"\./([\w-]+\.js)"', text, re.MULTILINE)}
        waiting += more - loads
        loads |= more
    total = len(answer.data) + sum(len(browser.get(path, headers=HERE).data) + HEAD for path in loads)
    assert total < 100_000


def test_no_two_pages_show_the_same_csrf_token_and_each_of_them_counts(browser: Browser) -> None:
    first, second = (token_in(browser.get(PAGE).text) for _ in range(2))
    assert first != second
    for token in (first, second):
        assert browser.post("/messages", {"csrf_token": token, "action": "read"}).status_code == 303


def test_a_page_has_one_token_in_all_its_forms(browser: Browser) -> None:
    page = browser.get(PAGE).text
    assert set(re.findall(r'name="csrf_token" value="([^"]*)"', page)) == {token_in(page)}


@pytest.mark.parametrize("change", [lambda token: token[:-4], lambda token: "A" + token[1:], lambda token: token * 2])
def test_a_masked_token_that_is_not_whole_is_refused(browser: Browser, change: object) -> None:
    assert callable(change)
    token = token_in(browser.get(PAGE).text)
    wrong = change(token) if change(token) != token else "B" + token[1:]
    assert browser.post("/messages", {"csrf_token": wrong, "action": "read"}).status_code == 403


def test_masks_differ_in_every_part_of_the_text() -> None:
    made = [csrf.masked("a" * 43) for _ in range(40)]
    assert all(len({each[at] for each in made}) > 1 for at in range(len(made[0])))
