"""Attachments before they are saved: what a page shows of them, as what it is served, and all of them as one file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft, OutgoingAttachment

from web.support import Browser, deliver, words

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="top.owned=1"/>'


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height)) if width * height < 1_000_000 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


FILES = (
    ("photo.png", "image/png", png(40, 30)),
    ("numbers.csv", "text/csv", b"Month;Sum\nJanuary;<b>12</b>\n"),
    ("drawing.svg", "image/svg+xml", SVG),
    ("page.html", "text/html", b"<script>top.owned=1</script>"),
    ("bomb.png", "image/png", png(60_000, 60_000)),
    ("photo.png", "application/octet-stream", b"another one"),
)


def with_files(database: Database) -> int:
    attachments = [OutgoingAttachment(*each) for each in FILES]
    return deliver(database, subject="Files", attachments=attachments)


def test_a_card_tells_what_each_attachment_is(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    page = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}").text
    text = words(page)
    assert "6 attachments" in text and "Download all" in text
    for each in ("Image, 40 × 30", "Table", "Source", "Image, 60000 × 60000", "It has too many pixels to be shown"):
        assert each in text
    assert page.count('<img src="') == 1
    assert f'src="/messages/{email_id}/preview/0/content"' in page


def test_what_is_shown_is_served_as_its_content_and_nothing_else_is(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    found = {index: demo.get(f"/messages/{email_id}/preview/{index}/content") for index in range(6)}
    assert [found[index].status_code for index in range(6)] == [200, 404, 404, 404, 404, 404]
    headers = found[0].headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert demo.get(f"/messages/{email_id}/preview/99").status_code == 404


def test_source_and_tables_are_shown_as_text(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    table = demo.get(f"/messages/{email_id}/preview/1")
    assert '<td dir="auto">&lt;b&gt;12&lt;/b&gt;</td>' in table.text
    assert "script-src 'self'" in table.headers["Content-Security-Policy"]
    for index, source in ((2, "&lt;svg"), (3, "&lt;script&gt;")):
        page = demo.get(f"/messages/{email_id}/preview/{index}").text
        assert source in page and "<svg xmlns=&#34" not in page
    assert "too many pixels" in demo.text_of(f"/messages/{email_id}/preview/4")


def test_one_goes_from_each_to_the_next(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    first, last = (demo.get(f"/messages/{email_id}/preview/{index}").text for index in (0, 5))
    assert 'rel="next"' in first and 'rel="prev"' not in first and "1 of 6" in words(first)
    assert 'rel="next"' not in last and 'rel="prev"' in last


def test_all_of_them_come_as_one_file(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    answer = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}/attachments.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    assert "Files.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as made:
        assert made.testzip() is None
        names = ["photo.png", "numbers.csv", "drawing.svg", "page.html", "bomb.png", "photo (2).png"]
        assert made.namelist() == names
        assert [made.read(name) for name in names] == [content for _, _, content in FILES]


def test_a_large_archive_is_sent_in_pieces(app: Flask, database: Database) -> None:
    content = bytes(range(256)) * 20_000
    email_id = deliver(database, attachments=[OutgoingAttachment("a.bin", "application/octet-stream", content)] * 2)
    answer = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}/attachments.zip", buffered=False)
    assert answer.is_streamed
    assert max(map(len, answer.iter_encoded())) < len(content) / 2


def test_nobody_sees_what_is_attached_to_others_mail(app: Flask, database: Database) -> None:
    email_id = with_files(database)
    maria = Browser.logged_in(app.test_client(), "maria")
    for path in ("preview/0", "preview/0/content", "attachments.zip"):
        assert maria.get(f"/messages/{email_id}/{path}").status_code == 404
    assert app.test_client().get(f"/messages/{email_id}/preview/0/content").status_code in (302, 303, 401)


def test_what_is_attached_to_a_message_inside_is_shown_too(app: Flask, database: Database) -> None:
    inner = compose.build(
        Draft(
            from_="x@remote.example",
            to=["y@remote.example"],
            subject="Inner",
            text="x",
            attachments=[OutgoingAttachment(*FILES[0])],
        ),
        "remote.example",
    )
    email_id = deliver(database, attachments=[OutgoingAttachment("mail.eml", "message/rfc822", inner)])
    demo = Browser.logged_in(app.test_client(), "demo")
    outer = demo.get(f"/messages/{email_id}").text
    assert f'href="/messages/{email_id}/inside/0"' in outer
    assert f"/messages/{email_id}/inside/0/preview/0" in demo.get(f"/messages/{email_id}/inside/0").text
    shown = demo.get(f"/messages/{email_id}/inside/0/preview/0/content")
    assert shown.data == FILES[0][2]
    assert "photo.png" in demo.text_of(f"/messages/{email_id}/inside/0/preview/0")
    assert demo.get(f"/messages/{email_id}/inside/0/attachments.zip").status_code == 200


def test_the_page_that_draws_a_pdf_has_no_origin_and_no_eval(app: Flask) -> None:
    answer = Browser.logged_in(app.test_client(), "demo").get("/pdf")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
    assert "unsafe" not in policy and "wasm" not in policy
    script = answer.text.partition('<script type="module" src="')[2].partition('"')[0]
    found = app.test_client().get(script).headers
    assert found["Access-Control-Allow-Origin"] == "*"
    other = app.test_client().get(script.replace("pdf-frame.js", "app.js")).headers
    assert "Access-Control-Allow-Origin" not in other
    assert other["Cross-Origin-Resource-Policy"] == "same-origin"
