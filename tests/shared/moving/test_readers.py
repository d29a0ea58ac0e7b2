"""Readers: every variant of mbox, Maildirs, archives of any of these; what is hostile or broken is passed over."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from onifast_shared.moving import archives, cleaning, mailbox_names, maildir, places, reading
from onifast_shared.moving.found import Bounds, Found, Marks, PassedOver, SourceError, SourceMessage

BOUNDS = Bounds(1_000_000)
FROM = "From ann@x.test Mon Jan  5 10:00:00 2015\n"


def letter(number: int, body: str = "Hello\n", extra: str = "") -> str:
    return f"From: ann@x.test\nSubject: m{number}\nMessage-ID: <{number}@x>\n{extra}\n{body}"


def read(tmp_path: Path, data: bytes, name: str = "x.mbox", position: str = "", bounds: Bounds = BOUNDS) -> list[Found]:
    path = tmp_path / "source"
    path.write_bytes(data)
    return list(reading.read(path, name, bounds, position))


def messages(found: list[Found]) -> list[SourceMessage]:
    return [each for each in found if isinstance(each, SourceMessage)]


def bodies(found: list[Found]) -> list[str]:
    return [
        each.raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2].decode()
        for each in found
        if isinstance(each, SourceMessage)
    ]


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for path, data in files.items():
            made.writestr(path, data)
    return out.getvalue()


def mbox_of(*parts: str) -> bytes:
    return "".join(f"{FROM}{part}\n" for part in parts).encode()


QUOTED = "one\n>From here on\n>>From there\n"
BARE = "one\n\nFrom ann@x.test Mon Jan  5 10:00:00 2015\nSubject: no message\n\ntwo\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([letter(1, QUOTED), letter(2)], ["one\nFrom here on\n>From there\n", "Hello\n"]),
        ([letter(1, "a\n\nFrom the beginning on it was so.\n\nb\n"), letter(2)],
         ["a\n\nFrom the beginning on it was so.\n\nb\n", "Hello\n"]),
        ([letter(1, QUOTED, f"Content-Length: {len(QUOTED)}\n"), letter(2)],
         ["one\nFrom here on\n>From there\n", "Hello\n"]),
        ([letter(1, "short\n", "Content-Length: 99999\n"), letter(2)], ["short\n", "Hello\n"]),
        ([letter(1, "abc\n", "Content-Length: 1\n"), letter(2)], ["abc\n", "Hello\n"]),
    ],
    ids=["mboxrd", "bare words", "mboxcl", "a count beyond the end", "a count too small"],
)  # fmt: skip
def test_an_mbox_is_taken_apart(tmp_path: Path, written: list[str], expected: list[str], line_end: str) -> None:
    if line_end == "\r\n" and "Content-Length: 2" in written[0]:
        pytest.skip("the count is of other octets")
    found = read(tmp_path, mbox_of(*written).replace(b"\n", line_end.encode()))
    assert bodies(found) == expected


def test_mboxcl2_has_bare_lines_and_quotes_nothing(tmp_path: Path) -> None:
    second = ">From a reply\n"
    data = mbox_of(
        letter(1, BARE, f"Content-Length: {len(BARE)}\n"), letter(2, second, f"Content-Length: {len(second)}\n")
    )
    assert bodies(read(tmp_path, data)) == [BARE, second]


def test_reading_goes_on_behind_any_message(tmp_path: Path) -> None:
    data = mbox_of(*(letter(number) for number in range(5)))
    whole = messages(read(tmp_path, data))
    for number, each in enumerate(whole):
        rest = messages(read(tmp_path, data, position=each.position))
        assert [found.raw for found in rest] == [found.raw for found in whole[number + 1 :]]
    packed = gzip.compress(data)
    assert [found.raw for found in messages(read(tmp_path, packed, position=whole[2].position))] == [
        found.raw for found in whole[3:]
    ]


def test_what_is_too_large_is_passed_over_and_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.write(mbox_of(letter(1)) + f"{FROM}{letter(2, '')}".encode())
        for _ in range(300):
            file.write(b"x" * 99_999 + b"\n")
        file.write(b"\n" + mbox_of(letter(3)))
    tracemalloc.start()
    found = list(reading.read(path, "x", BOUNDS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(each) for each in found] == [SourceMessage, PassedOver, SourceMessage]
    assert "30,000" in str(found[1]) and peak < 8_000_000


def test_a_maildir_has_folders_flags_keywords_and_dates(tmp_path: Path) -> None:
    files = {
        "Maildir/cur/1420452000.M1.host:2,RS": letter(1).encode(),
        "Maildir/new/1420452001.M2.host": letter(2).encode(),
        "Maildir/.Clients.B&APw-ro/cur/1420452002.M3.host,S=5:2,FSa": letter(3).encode(),
        "Maildir/.Clients.B&APw-ro/dovecot-keywords": b"0 Wichtig\n1 $Forwarded\n",
        "Maildir/.Sent/cur/1420452003.M4.host:2,PSb": letter(4).encode(),
        "Maildir/.Sent/dovecot-uidlist": b"3 V1 N5\n",
        "Maildir/.Sent/tmp/1420452003.M9.host": b"half",
    }
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as made:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("Maildir/cur/1.link:2,S")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    folder = tmp_path / "Maildir"
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (folder / "cur" / "1.link:2,S").symlink_to("/etc/passwd")
    by_zip, by_tar = read(tmp_path, zipped(**files)), read(tmp_path, tar.getvalue())
    by_folder = list(reading.read(folder, "Maildir", BOUNDS))
    for found in (by_zip, by_tar, by_folder):
        seen = {
            each.raw.partition(b"Subject: ")[2][:2].decode(): (each.place, each.marks, each.received_ts)
            for each in messages(found)
        }
        assert seen == {
            "m1": ("INBOX", Marks(is_read=True, is_answered=True), 1420452000),
            "m2": ("INBOX", Marks(), 1420452001),
            "m3": ("Clients/Büro", Marks(is_read=True, is_starred=True, labels=("Wichtig",)), 1420452002),
            "m4": ("Sent", Marks(is_read=True, is_forwarded=True), 1420452003),
        }
    assert [each.why for each in by_tar if isinstance(each, PassedOver)] == ["it is a link or a device"]
    assert ["cannot be opened" in each.why for each in by_folder if isinstance(each, PassedOver)] == [True]


def test_a_zip_of_messages_and_mailboxes_says_where_they_lay(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        zipped(**{
            "Takeout/Mail/All mail Including Spam and Trash.mbox": mbox_of(letter(1)),
            "Profile/Mail/Local Folders/Kunden.sbd/Acme": mbox_of(letter(2)),
            "Profile/Mail/Local Folders/Kunden.sbd/Acme.msf": b"index",
            "Sent Items/one.eml": letter(3).encode(),
            "../../etc/cron.d/evil.eml": letter(4).encode(),
            "Inbox.mbox/mbox": mbox_of(letter(5)),
            "picture.png": b"\x89PNG",
        }),
    )  # fmt: skip
    assert [each.place for each in messages(found)] == [
        "All mail Including Spam and Trash", "Kunden/Acme", "Sent Items", "etc/cron.d", "Inbox",
    ]  # fmt: skip
    assert [(each.name, each.why) for each in found if isinstance(each, PassedOver)] == [
        ("picture.png", "it is no mail")
    ]


@pytest.mark.parametrize("packed", [True, False], ids=["a bomb in a zip", "a bomb in gzip"])
def test_bombs_are_refused(tmp_path: Path, packed: bool) -> None:
    zeros = FROM.encode() + letter(1, "").encode() + bytes(80_000_000)
    data = zipped(**{"a.mbox": zeros}) if packed else gzip.compress(zeros)
    with pytest.raises(SourceError, match="packed too well"):
        read(tmp_path, data)


def test_a_zip_that_lies_about_its_list_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(**{"a.eml": letter(1).encode()}))
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    with pytest.raises(SourceError):
        read(tmp_path, bytes(data))


def test_a_zips_long_form_is_believed_wherever_zipfile_finds_it(tmp_path: Path) -> None:
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 30, 0)
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 47, 0, 0)
    for offset in (30, 0):  # where it is, and a lie: then it is looked for before what points to it
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset, 1)
        with pytest.raises(SourceError, match="too many files"):
            read(tmp_path, b"PK\3\4" + b"\0" * 26 + large + locator + short)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zips_file_that_unpacks_without_bounds_is_passed_over(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as made:
        made.writestr("a.eml", letter(1))
    (found,) = reading.read(tmp_path / "x.zip", "x.zip", BOUNDS)
    assert isinstance(found, PassedOver)
    assert "method" in found.why


def _header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("a.eml")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "bomb",
    [
        _header(tarfile.GNUTYPE_LONGNAME, 1 << 30) + bytes(1 << 20),
        _header(tarfile.XHDTYPE, 1 << 30) + bytes(1 << 20),
        (_header(tarfile.GNUTYPE_LONGNAME, 5) + b"abcde".ljust(512, b"\0")) * 2000,
        _header(tarfile.GNUTYPE_SPARSE, 512) + FROM.encode().ljust(512, b"\n"),
    ],
    ids=["a name of 1 GiB", "pax records of 1 GiB", "2,000 names of one file", "holes"],
)
def test_a_tar_that_says_too_much_of_a_file_is_refused(tmp_path: Path, bomb: bytes) -> None:
    with pytest.raises(SourceError, match=r"says more|with holes"):
        read(tmp_path, bomb + bytes(1024))


def test_long_names_in_a_tar_are_read(tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as made:
            for number in range(20):
                info = tarfile.TarInfo(f"{'é' * 110}/{'folder' * 30}/{number}.eml")
                info.size = len(letter(number))
                made.addfile(info, io.BytesIO(letter(number).encode()))
        assert len(messages(read(tmp_path, out.getvalue()))) == 20


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"PK\x03\x04 cut off", gzip.compress(b"hello", mtime=0)[:12]])
def test_what_is_no_mail_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceError):
        read(tmp_path, data)


def test_damage_within_an_archive_costs_that_file_alone(tmp_path: Path) -> None:
    data = bytearray(zipped(**{"a.eml": letter(1).encode() * 5, "b.eml": letter(2).encode()}))
    place = data.index(b"a.eml") + 8
    data[place : place + 4] = b"\xff\xff\xff\xff"
    found = read(tmp_path, bytes(data))
    assert [type(each).__name__ for each in found] == ["PassedOver", "SourceMessage"]


@pytest.mark.parametrize(
    ("place", "use", "folder"),
    [
        ("Sent Items", "", "sent"), ("Gesendete Objekte", "", "sent"), ("[Gmail]/Gesendet", "", "sent"),
        ("Papierkorb", "", "trash"), ("INBOX.Trash", "trash", "trash"), ("Whatever", "Junk", "junk"),
        ("[Gmail]/All Mail", "", "archive"), ("INBOX/Drafts", "", "drafts"), ("Clients/Acme", "", None),
        ("Входящие", "", "inbox"), ("Éléments supprimés", "", "trash"), ("sent", "", "sent"),
    ],
)  # fmt: skip
def test_folders_are_known_by_the_names_that_programs_give_them(place: str, use: str, folder: str | None) -> None:
    assert places.folder_of(place, use) == folder


def test_names_become_such_as_labels_can_have() -> None:
    assert places.own_name("a/b/c/d/e/f/g/h/i/j") == "a/b/c/d/e/f/g/h-i-j"
    assert places.own_name("Outbox/x") == "Outbox (imported)/x"
    assert places.own_name("..//\x07/") == ""
    assert places.own_name("x" * 900) == "x" * 200


def test_gmails_labels_say_where_a_message_goes() -> None:
    raw = b"X-Gmail-Labels: =?UTF-8?Q?Gesendet,Ge=C3=B6ffnet,Kunden/Acme?=\nFrom: a@x.test\n\nx"
    clean = cleaning.clean(raw, Marks(), None, hostname="h.test", now=2e9)
    found = places.destination("All mail", "", clean.marks, clean.places)
    assert (found.folder, found.labels, clean.marks.is_read) == ("sent", ("Kunden/Acme",), True)


def test_nothing_that_we_would_trust_comes_along() -> None:
    raw = (
        b"Return-Path: <x@y>\nAuthentication-Results: h.test; dmarc=pass\nStatus: RO\nX-Status: AF\n"
        b"Received: from a by b; Tue, 6 Jan 2015 10:00:00 +0100\nX-Mozilla-Status: 1001\nContent-Length: 1\n"
        b"Authentication-Results: other.test; spf=pass\nDate: Mon, 5 Jan 2015 10:00:00 +0000\n\nx\n"
    )
    clean = cleaning.clean(raw, Marks(), None, hostname="h.test", now=2e9)
    assert clean.raw.split(b"\r\n")[0].startswith(b"Received:")
    assert b"other.test" in clean.raw and b"h.test" not in clean.raw and b"Status" not in clean.raw
    assert clean.marks == Marks(is_read=True, is_answered=True, is_starred=True, is_forwarded=True)
    assert clean.received_ts == 1420534800


def test_a_message_is_the_same_whatever_its_trace_and_its_line_ends() -> None:
    def key(raw: bytes) -> bytes:
        return cleaning.clean(raw, Marks(), None, hostname="h.test", now=2e9).key

    one = b"From: a@x\nMessage-ID: <1@x>\n\nHello \n\nyou\n"
    assert key(one) == key(b"Received: by z; x\r\n" + one.replace(b"\n", b"\r\n") + b"\r\n")
    assert key(one) != key(one.replace(b"you", b"You")) != key(one.replace(b"<1@x>", b"<2@x>"))


def test_names_of_imap_go_there_and_back() -> None:
    for name, wire in (("Entwürfe", "Entw&APw-rfe"), ("A & B", "A &- B"), ("日本", "&ZeVnLA-"), ("plain", "plain")):
        assert (mailbox_names.encoded(name), mailbox_names.decoded(wire)) == (wire, name)
    assert mailbox_names.decoded("&broken") == "&broken"
    assert maildir.place(".Sent") == "Sent" and archives.MOST_PACKED > 100
