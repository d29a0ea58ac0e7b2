"""Messages of our own making, one kind each, that `golden` writes into tests/data/messages."""

from __future__ import annotations

import base64
import binascii
import struct
from pathlib import Path
from urllib.parse import quote_from_bytes

CHARSETS = Path(__file__).resolve().parent / "data" / "charsets.tsv"
HEAD = b"From: Ann <ann@remote.test>\r\nTo: demo@example.test\r\nSubject: %b\r\nMIME-Version: 1.0\r\n"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGUlEQVR4AWNgYPj/nyQMVFQD/P+PDYxqGNUAAHpP7hIPXNiTAAAAAElFTkSuQmCC"
)
GIF = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9"
BMP = b"BM:\0\0\0\0\0\0\x006\0\0\0(\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0\4\0\0\0" + b"\0" * 16 + b"\xff\xff\xff\0"
ICO = (
    b"\0\0\1\0\1\0\1\1\0\0\1\0\x18\0" + (40 + 4 + 4).to_bytes(4, "little") + b"\x16\0\0\0(\0\0\0\1\0\0\0\2" + b"\0" * 35
)
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def charsets() -> list[tuple[str, bytes, str]]:
    """Labels of charsets, octets in them, and the text that these are."""
    rows = [line.split("\t") for line in CHARSETS.read_text().splitlines()[1:]]
    return [(label, base64.b64decode(octets), text) for label, octets, text in rows]


def in_charset(label: str, octets: bytes) -> bytes:
    """A message with the same octets as subject, sender's name, body, and name of a file in both ways."""
    encoded = base64.b64encode(octets)
    word = b"=?%b?B?%b?=" % (label.encode(), encoded)
    ending = ".txt".encode("utf-16-le") if label == "utf-16le" else b".txt"
    extended = f"{label}''{quote_from_bytes(octets + ending, safe='')}".encode()
    body = part(f"text/plain; charset={label}", encoded, "Content-Transfer-Encoding: base64")
    files = [
        part("application/x-a", b"1", b'Content-Disposition: attachment; filename="%b"' % word),
        part("application/x-b", b"2", b"Content-Disposition: attachment; filename*=%b" % extended),
    ]
    head = b"From: %b <ann@remote.test>\r\nTo: demo@example.test\r\nSubject: %b\r\nMIME-Version: 1.0\r\n" % (word, word)
    return head + multipart("mixed", body, *files)


def part(content_type: str, body: bytes, *fields: str | bytes) -> bytes:
    """A part with its header."""
    lines = [field if isinstance(field, bytes) else field.encode() for field in fields]
    return b"\r\n".join((f"Content-Type: {content_type}".encode(), *lines, b"", body))


def coded(content_type: str, body: bytes, *fields: str | bytes) -> bytes:
    """A part in base64."""
    encoded = base64.encodebytes(body).replace(b"\n", b"\r\n").rstrip()
    return part(content_type, encoded, "Content-Transfer-Encoding: base64", *fields)


def multipart(subtype: str, *parts: bytes, boundary: str = "b0", closed: bool = True) -> bytes:
    """A multipart entity."""
    line = f"--{boundary}".encode()
    pieces = [b"%b\r\n%b\r\n" % (line, each) for each in parts]
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(pieces) + (line + b"--\r\n" if closed else b"")


def text(body: str, charset: str = "utf-8", *fields: str, more: str = "") -> bytes:
    """A part of plain text, as it is."""
    return part(f"text/plain; charset={charset}{more}", body.encode(charset), *fields)


def marked(body: str, *fields: str) -> bytes:
    """A part of HTML, as it is."""
    return part("text/html; charset=utf-8", body.encode(), *fields)


def message(entity: bytes, subject: bytes = b"A message") -> bytes:
    """A message that is this entity."""
    return HEAD % subject + entity


def attached(name: str) -> str:
    """The field of a file's name."""
    return f'Content-Disposition: attachment; filename="{name}"'


def raw_header(subject: bytes, body: bytes, content_type: bytes = b"text/plain") -> bytes:
    """A message whose subject is in raw octets."""
    return message(b"Content-Type: %b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%b" % (content_type, body), subject)


def showing(image: bytes, content_type: str, source: str, *fields: str) -> bytes:
    """HTML that shows an image which it brings along."""
    page = marked(f'<p>Look: <img src="{source}" alt="it"></p>')
    return message(multipart("related", page, coded(content_type, image, *fields)))


def uuencoded(content: bytes) -> bytes:
    """The lines of uuencode."""
    lines = [binascii.b2a_uu(content[at : at + 45]).rstrip(b"\n") for at in range(0, len(content), 45)]
    return b"\r\n".join((*lines, b"`"))


def tnef_attribute(level: int, name: int, value: bytes) -> bytes:
    """An attribute of a TNEF stream."""
    return struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def unicode_property(name: int, value: str) -> bytes:
    """A file's attribute that holds one property with a text."""
    octets = (value + "\0").encode("utf-16-le")
    padding = b"\0" * (-len(octets) % 4)
    return tnef_attribute(2, 0x9005, struct.pack("<IHHII", 1, 0x1F, name, 1, len(octets)) + octets + padding)


def tnef_file(name: str, content: bytes, long_name: str = "") -> bytes:
    """A packed file."""
    title = tnef_attribute(2, 0x8010, name.encode("cp1252") + b"\0")
    more = unicode_property(0x3707, long_name) if long_name else b""
    return tnef_attribute(2, 0x9002, b"\0" * 14) + title + tnef_attribute(2, 0x800F, content) + more


def tnef_stream(*attributes: bytes) -> bytes:
    """A winmail.dat."""
    return b"\x78\x9f\x3e\x22\1\0" + b"".join(attributes)


RTF = rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}Gr\'fc\'dfe\htmlrtf\par\htmlrtf0{\*\htmltag72 </p>}}"


def tnef_rtf(source: bytes) -> bytes:
    """A message's text in RTF, as it is in a winmail.dat; not compressed."""
    packed = struct.pack("<IIII", len(source) + 12, len(source), 0x414C454D, 0) + source
    head = struct.pack("<I", 1) + struct.pack("<HHII", 0x102, 0x1009, 1, len(packed))
    return tnef_attribute(1, 0x9003, head + packed + b"\0" * (-len(packed) % 4))


RUSSIAN = "Добрый день, коллеги! Высылаю отчёт за ноябрь, как и договаривались."
JAPANESE = "会議の資料をお送りします。ご確認ください。よろしくお願いします。"
CHINESE = "您好，附件是会议资料，请查收。谢谢！"
INNER = b"From: Bob <bob@remote.test>\r\nSubject: inside\r\n\r\nThe text inside.\r\n"
TEXT = text("Hello there")

SPECIMENS: dict[str, bytes] = {
    **{f"charset-{label.lower()}": in_charset(label, octets) for label, octets, _ in charsets()},
    # Spoilt and undeclared text
    "utf-8-cut-at-its-end": message(part("text/plain; charset=utf-8", "Grüße und schöne Worte …".encode()[:-1])),
    "utf-8-cut-in-the-middle": message(
        part("text/plain; charset=utf-8", b"Gr\xc3\xbc\xc3 und sch\xc3\xb6ne W\xc3\xb6rter")
    ),
    "utf-8-cut-in-an-encoded-word": message(TEXT, b"=?utf-8?B?%b?=" % base64.b64encode("日本語の件名".encode()[:-2])),
    "utf-8-cut-in-a-file-name": message(
        multipart(
            "mixed",
            TEXT,
            part(
                "application/x-a",
                b"1",
                b"Content-Disposition: attachment; filename*=utf-8''%E6%97%A5%E6%9C%AC%E8%AA.pdf",
            ),
        )
    ),
    "utf-8-said-to-be-latin-1": message(part("text/plain; charset=iso-8859-1", "Grüße".encode())),
    "latin-1-said-to-be-utf-8": message(part("text/plain; charset=utf-8", "Grüße aus Köln".encode("latin-1"))),
    "latin-1-said-to-be-ascii": message(part("text/plain; charset=us-ascii", "Grüße aus Köln".encode("latin-1"))),
    "utf-8-with-its-mark": message(part("text/plain; charset=utf-8", b"\xef\xbb\xbfHello")),
    "utf-16-with-its-mark": message(coded("text/plain; charset=utf-16", "Grüße".encode("utf-16"))),
    "charset-unknown": message(part("text/plain; charset=x-klingon", "Grüße".encode())),
    "no-charset-russian-koi8": message(part("text/plain", RUSSIAN.encode("koi8-r"))),
    "no-charset-russian-windows": message(part("text/plain", RUSSIAN.encode("cp1251"))),
    "no-charset-russian-dos": message(part("text/plain", RUSSIAN.encode("cp866"))),
    "no-charset-japanese-shift-jis": message(part("text/plain", JAPANESE.encode("cp932"))),
    "no-charset-japanese-euc": message(part("text/plain", JAPANESE.encode("euc-jp"))),
    "no-charset-japanese-jis": message(part("text/plain", JAPANESE.encode("iso-2022-jp"))),
    "no-charset-chinese-gb": message(part("text/plain", CHINESE.encode("gb18030"))),
    "no-charset-chinese-big5": message(part("text/plain", "您好，附件是會議資料，請查收。謝謝！".encode("big5"))),
    "no-charset-korean": message(
        part("text/plain", "안녕하세요 회의 자료를 보내드립니다. 확인 부탁드립니다.".encode("cp949"))
    ),
    "no-charset-greek": message(part("text/plain", "Καλημέρα, σας στέλνω το τιμολόγιο του Νοεμβρίου".encode("cp1253"))),
    "no-charset-hebrew": message(part("text/plain", "שלום רב, מצורפת החשבונית לחודש נובמבר".encode("cp1255"))),
    "no-charset-polish": message(
        part("text/plain", "Zażółć gęślą jaźń, proszę o odpowiedź na moją wiadomość".encode("cp1250"))
    ),
    "no-charset-german": message(part("text/plain", "Grüße aus Köln, Straße 5, 10 €".encode("cp1252"))),
    "html-charset-in-meta": message(part("text/html", '<meta charset="windows-1251"><p>Привет</p>'.encode("cp1251"))),
    "html-charset-of-both": message(
        part("text/html; charset=koi8-r", '<meta charset="windows-1251"><p>Привет</p>'.encode("koi8-r"))
    ),
    "jis-nec-row-13": message(part("text/plain; charset=iso-2022-jp", b'\x1b$B-!-"-j\x1b(B ok')),
    "jis-half-width-kana": message(part("text/plain; charset=cp50221", b"\x1b(I1234\x1b(B ok")),
    "jis-shifted-kana": message(part("text/plain; charset=iso-2022-jp-ms", b"a\x0e1234\x0fb")),
    "jis-cut-off": message(part("text/plain; charset=iso-2022-jp", b"\x1b$B$3$s$K\r\nnext line")),
    "euc-jp-nec-row-13": message(part("text/plain; charset=euc-jp", b"\xad\xa1\xa4\xa2\x8e\xb1")),
    "gb18030-four-octets": message(part("text/plain; charset=gb18030", "㐀 ok €".encode("gb18030"))),
    "big5-hkscs-character": message(part("text/plain; charset=big5", "佢哋嘅".encode("big5hkscs"))),
    # Raw octets in the header
    "raw-subject-utf-8": raw_header("Grüße".encode(), b"x"),
    "raw-subject-in-the-bodys-charset": raw_header(
        "Zażółć".encode("iso-8859-2"), b"x", b"text/plain; charset=iso-8859-2"
    ),
    "raw-subject-in-a-parts-charset": message(
        multipart("mixed", part("text/plain; charset=windows-1251", "Привет".encode("cp1251"))),
        "Отчёт".encode("cp1251"),
    ),
    "raw-subject-shift-jis": raw_header("お知らせです".encode("cp932"), b"x"),
    "encoded-word-with-question-marks": message(TEXT, b"=?utf-8?Q?What??_Really??="),
    "encoded-word-with-spaces": message(TEXT, b"=?utf-8?Q?caf=C3=A9 au lait?="),
    "encoded-word-cut-within-a-character": message(TEXT, b"=?utf-8?B?4pi?= =?utf-8?B?hg==?="),
    "encoded-word-without-padding": message(TEXT, b"=?utf-8?B?R3LDvMOfZQ?="),
    # Attachments and where they hide
    "image-bmp-in-place": showing(BMP, "image/bmp", "cid:a@b", "Content-ID: <a@b>"),
    "image-ico-in-place": showing(ICO, "image/vnd.microsoft.icon", "cid:a@b", "Content-ID: <a@b>"),
    "image-gif-in-place": showing(GIF, "image/gif", "cid:a@b", "Content-ID: <a@b>"),
    "image-webp-in-place": showing(WEBP, "image/webp", "cid:a@b", "Content-ID: <a@b>"),
    "image-pjpeg-in-place": showing(JPEG, "image/pjpeg", "cid:a@b", "Content-ID: <a@b>"),
    "image-svg-listed": showing(SVG, "image/svg+xml", "cid:a@b", "Content-ID: <a@b>", attached("a.svg")),
    "image-tiff-listed": showing(b"II*\0", "image/tiff", "cid:a@b", "Content-ID: <a@b>", attached("a.tif")),
    "image-that-is-none-listed": showing(
        b"not an image", "image/png", "cid:a@b", "Content-ID: <a@b>", attached("a.png")
    ),
    "image-percent-encoded-reference": showing(PNG, "image/png", "cid:a%2Bb%40c", "Content-ID: <a+b@c>"),
    "image-escaped-reference": showing(PNG, "image/png", "cid:a&amp;b@c", "Content-ID: <a&b@c>"),
    "image-content-id-without-brackets": showing(PNG, "image/png", "cid:a@b", "Content-ID: a@b"),
    "image-content-id-with-comment-space": showing(PNG, "image/png", "cid:a@b", "Content-ID:  <a@b> "),
    "image-of-another-content-id": showing(PNG, "image/png", "cid:z@b", "Content-ID: <a@b>", attached("a.png")),
    "image-attached-and-shown": showing(PNG, "image/png", "cid:a@b", "Content-ID: <a@b>", attached("logo.png")),
    "image-by-absolute-location": showing(
        PNG, "image/png", "http://a.test/x.png", "Content-Location: http://a.test/x.png"
    ),
    "image-inline-beside-text": message(
        multipart("mixed", TEXT, coded("image/jpeg", JPEG, 'Content-Disposition: inline; filename="photo.jpg"'))
    ),
    "image-only": message(coded("image/png", PNG, attached("only.png"))),
    "related-in-alternative-in-mixed": message(
        multipart(
            "mixed",
            multipart(
                "alternative",
                TEXT,
                multipart(
                    "related",
                    marked('<img src="cid:1@a">'),
                    coded("image/png", PNG, "Content-ID: <1@a>"),
                    boundary="b2",
                ),
                boundary="b1",
            ),
            coded("application/pdf", b"%PDF-1.4", attached("a.pdf")),
        )
    ),
    "text-file-attached": message(multipart("mixed", TEXT, text("a log", "utf-8", attached("log.txt")))),
    "text-file-inline-second": message(
        multipart("mixed", TEXT, text("a log", "utf-8", 'Content-Disposition: inline; filename="log.txt"'))
    ),
    "csv-without-a-name": message(multipart("mixed", TEXT, part("text/csv; charset=utf-8", b"a;b\r\n1;2"))),
    "no-content-type": b"From: a@remote.test\r\nSubject: old\r\n\r\nJust text.\r\n",
    "content-type-broken": message(b"Content-Type: text\r\n\r\nJust text."),
    "content-type-html-with-comment": message(b"Content-Type: text/html (yes); charset=utf-8\r\n\r\n<p>Hi</p>"),
    "empty-message": b"",
    "empty-body": message(TEXT.replace(b"Hello there", b"")),
    # Multiparts that are not whole
    "multipart-preamble-only": message(b"Content-Type: multipart/mixed; boundary=b0\r\n\r\nWords where no part is."),
    "multipart-without-end": message(multipart("mixed", TEXT, text("and more"), closed=False)),
    "multipart-without-end-nested": message(
        multipart("mixed", multipart("alternative", TEXT, boundary="b1", closed=False), text("footer"))
    ),
    "multipart-in-base64": message(
        b'Content-Transfer-Encoding: base64\r\nContent-Type: multipart/mixed; boundary="b0"\r\n\r\n'
        + base64.encodebytes(multipart("mixed", TEXT).partition(b"\r\n\r\n")[2])
    ),
    "multipart-boundary-prefix-of-another": message(
        multipart(
            "mixed",
            multipart("alternative", TEXT, marked("<p>Hello</p>"), boundary="b01"),
            text("footer"),
            boundary="b0",
        )
    ),
    "multipart-boundary-used-in-text": message(multipart("mixed", text("--b0x is no boundary\r\n --b0 neither"))),
    "multipart-with-an-empty-part": message(multipart("mixed", b"", TEXT)),
    "multipart-lines-end-in-lf": message(multipart("mixed", TEXT, text("two"))).replace(b"\r\n", b"\n"),
    "alternative-text-after-html": message(multipart("alternative", marked("<p>Hi</p>"), text("Hi"))),
    "alternative-enriched": message(
        multipart(
            "alternative", part("text/enriched; charset=utf-8", b"<bold>Hi</bold> <<you>"), marked("<p>Hi you</p>")
        )
    ),
    "mixed-html-and-footer": message(multipart("mixed", marked("<p>Hi</p>"), text("-- \r\nthe list"))),
    "mixed-two-texts": message(multipart("mixed", text("one"), text("two"))),
    "digest": message(multipart("digest", b"\r\n" + INNER, b"\r\n" + INNER)),
    # Transfer encodings
    "base64-with-a-lists-footer": message(
        part(
            "text/plain; charset=utf-8",
            base64.b64encode("Grüße".encode()) + b"\r\n_______________\r\nThe list, http://list.test/\r\n",
            "Content-Transfer-Encoding: base64",
        )
    ),
    "base64-of-padded-lines": message(
        part(
            "text/plain; charset=utf-8",
            b"\r\n".join(base64.b64encode(each) for each in (b"one ", b"two ", b"three")),
            "Content-Transfer-Encoding: base64",
        )
    ),
    "base64-in-quotes": message(part("text/plain; charset=utf-8", b"SGVsbG8=", 'Content-Transfer-Encoding: "base64"')),
    "base64-that-is-text": message(
        part("text/plain; charset=utf-8", b"Never encoded, this one.", "Content-Transfer-Encoding: base64")
    ),
    "base64-with-noise": message(
        part("text/plain; charset=utf-8", b"SGVs!bG8g\r\n#dGhlcmU=", "Content-Transfer-Encoding: base64")
    ),
    "base64-cut-off": message(
        part("text/plain; charset=utf-8", b"SGVsbG8gdGhlcm", "Content-Transfer-Encoding: base64")
    ),
    "quoted-printable-odd": message(
        part(
            "text/plain; charset=utf-8",
            b"caf=c3=a9 a=3Db =zz soft= \r\nbreak=",
            "Content-Transfer-Encoding: Quoted-Printable",
        )
    ),
    "7bit-that-is-8bit": message(
        part("text/plain; charset=utf-8", "Grüße".encode(), "Content-Transfer-Encoding: 7bit")
    ),
    "transfer-encoding-unknown": message(
        part("text/plain; charset=utf-8", b"Hello", "Content-Transfer-Encoding: x-own")
    ),
    "uuencode-within-text": message(
        part(
            "text/plain; charset=utf-8",
            b"See below.\r\n\r\nbegin 644 my file.bin\r\n%b\r\nend\r\nBye.\r\n" % uuencoded(bytes(range(100))),
        )
    ),
    "uuencode-that-is-a-story": message(text("begin 644 the story\r\nThis is no file at all.\r\nend\r\n")),
    # Flowed text
    "flowed-delsp": message(text("日本 \r\n語の文\r\n> 引用 \r\n> です", more="; format=flowed; delsp=yes")),
    "flowed-stuffed": message(text(" >not a quote\r\n From here \r\n on", more="; format=flowed")),
    "flowed-badly": message(text("> one \r\n>> two \r\nthree \r\n-- \r\nAnn", more="; format=flowed")),
    # Messages in messages, and what cannot be opened
    "message-in-base64": message(multipart("mixed", TEXT, coded("message/rfc822", INNER))),
    "message-in-message-in-message": message(part("message/rfc822", part("message/rfc822", INNER))),
    "smime-encrypted": message(coded("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"\x30\x80")),
    "smime-signed-apart": message(
        multipart(
            'signed; protocol="application/pkcs7-signature"',
            TEXT,
            coded("application/pkcs7-signature; name=smime.p7s", b"\x30\x80"),
        )
    ),
    "pgp-in-text": message(text("-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----")),
    "delivery-report": message(
        multipart(
            "report; report-type=delivery-status",
            text("It was not delivered."),
            part(
                "message/delivery-status",
                b"Reporting-MTA: dns; a.test\r\n\r\nFinal-Recipient: rfc822; x@a.test\r\nAction: failed",
            ),
            part("text/rfc822-headers", b"Subject: what was sent"),
        )
    ),
    # File names
    "file-name-in-pieces": message(
        multipart(
            "mixed",
            TEXT,
            part(
                "application/x-a",
                b"1",
                "Content-Disposition: attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC%20; filename*2=list.txt",
            ),
        )
    ),
    "file-name-in-the-type-alone": message(multipart("mixed", TEXT, part('application/x-a; name="report.bin"', b"1"))),
    "file-name-that-runs-backwards": message(
        multipart(
            "mixed",
            TEXT,
            part("application/x-a", b"1", "Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe"),
        )
    ),
    "file-name-up-the-tree": message(
        multipart("mixed", TEXT, part("application/x-a", b"1", attached("../../etc/passwd")))
    ),
    "file-name-raw-utf-8": message(
        multipart(
            "mixed",
            TEXT,
            part("application/x-a", b"1", 'Content-Disposition: attachment; filename="Größe.txt"'.encode()),
        )
    ),
    "file-name-raw-in-the-bodys-charset": message(
        multipart(
            "mixed",
            part("text/plain; charset=windows-1251", "Привет".encode("cp1251")),
            part(
                "application/x-a",
                b"1",
                b'Content-Disposition: attachment; filename="%b.doc"' % "Отчёт".encode("cp1251"),
            ),
        )
    ),
    "file-name-encoded-word-outside-quotes": message(
        multipart(
            "mixed",
            TEXT,
            part("application/x-a", b"1", "Content-Disposition: attachment; filename==?utf-8?Q?Gr=C3=B6=C3=9Fe.txt?="),
        )
    ),
    # HTML by its looks
    "look-style-sheet": message(
        marked(
            "<!doctype html><html><head><style>.btn{background:#3498db;color:#fff;position:fixed}p,td{margin:0}"
            "@font-face{font-family:x;src:url(https://f.example/x)}</style></head>"
            '<body class="page"><p>Hi</p><a class="btn" href="https://shop.example/">Buy</a></body></html>'
        )
    ),
    "look-dark-body": message(
        marked('<html><body bgcolor="#111111" text="#ffffff" style="background:#111;padding:0"><p>White on black</p>')
    ),
    "look-media-queries": message(
        marked(
            '<head><meta name="color-scheme" content="light dark"><style media="screen">@media (max-width:600px)'
            "{.col{width:100% !important}}@media (prefers-color-scheme:dark){.col{background:#000;color:#fff}}"
            '</style></head><div class="col" id="top">Text</div>'
        )
    ),
    "look-backgrounds": message(
        marked(
            '<body background="//i.example/body.png"><table background="http://i.example/t.png"><td style="background:'
            '#eee url(\'http://i.example/c.png\') no-repeat top">Text<img src="//i.example/i.png" alt="I"></table>'
        )
    ),
    "look-outlook": message(
        marked(
            "<!--[if mso]><style>td{color:red}</style><table><tr><td><![endif]--><style>p.MsoNormal{margin:0cm;"
            'mso-style-priority:99;font-family:"Calibri",sans-serif}</style><p class=MsoNormal>Dear all<o:p></o:p></p>'
            "<![if !mso]><p>For others</p><![endif]>"
        )
    ),
    "look-anchors": message(
        marked('<p><a href="#part-2">Part 2</a></p><h2 id="part-2">Two</h2><p><a name="end">The end</a></p>')
    ),
    "look-lying-link": message(
        marked('<p><a href="http://login.evil.example/" title="Bank">https://www.bank.example/login</a></p>')
    ),
    "look-tracking-pixel": message(
        marked(
            '<p>Hello</p><img src="https://m.example/o.gif" width="1" height="1"><img src="https://m.example/wf/open?u=1">'
            '<img src="https://m.example/photo.jpg" width="300" height="200" alt="Photo">'
        )
    ),
    "look-hostile-style": message(
        marked(
            "<style>@import 'http://e.example/a.css';a[href^='http']{background:url(http://e.example/b)}"
            "p{content:'</sty\\6ce><script>';behavior:url(x)}</style><p style=\"width:expression(alert(1))\">Hello</p>"
        )
    ),
    # Outlook's packed files
    "winmail-dat": message(
        multipart(
            "mixed",
            TEXT,
            coded("application/ms-tnef; name=winmail.dat", tnef_stream(tnef_file("A.TXT", b"content", "größe.txt"))),
        )
    ),
    "winmail-dat-in-rtf": message(coded("application/ms-tnef; name=winmail.dat", tnef_stream(tnef_rtf(RTF)))),
    # A boundary that reads in two ways
    "boundary-within-a-boundary": message(
        b'Content-Type: multipart/mixed; boundary="a--"\r\n\r\n--a--\r\n'
        b'Content-Type: multipart/mixed; boundary="a----"\r\n\r\n--a----\r\n\r\nbody\r\n--a------\r\n'
    ),
}
