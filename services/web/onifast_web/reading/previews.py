"""Attachments before they are saved: of what kind they are, whether a page can show one, and how much of it."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Literal

from onifast_shared.message.parsing import Attachment

from onifast_web.languages.texts import _, marked
from onifast_web.reading import picture_sizes

PreviewForm = Literal["image", "pdf", "text", "table", "sound", "video", ""]
"""How a page shows an attachment; "" for one that can only be saved."""

MOST_TEXT = 256 * 1024
"""Characters of a text that are shown."""

MOST_PIXELS = 50_000_000
"""Of an image that a browser is given to show; four octets of memory each."""

LARGEST_IMAGE = 32 * 1024 * 1024
LARGEST_PDF = 64 * 1024 * 1024
"""Octets of what is shown whole."""

MOST_THUMBNAIL = 3 * 1024 * 1024
MOST_THUMBNAIL_PIXELS = 16_000_000
"""Octets and pixels of an image that a card shows: it is sent whole, and the browser makes it small. The server
decodes no stranger's image."""

MOST_THUMBNAILS = 12
"""On one page."""

_MOST_ROWS, _MOST_COLUMNS, _MOST_CELL = 500, 60, 500
_HEAD_LINES = 20_000  # characters by which the delimiter of a table is found
_HEAD_OCTETS = 512 * 1024  # of an image's part: its size stands behind what a camera writes of itself
_EXTENSION = re.compile(r"\.([a-z0-9]{1,8})$")
_CONTROL_OCTETS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

# What browsers play, by the octets that it begins with; whether it is sound or video a container does not tell.
_MEDIA = (
    (re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"), "audio/mpeg"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "audio/aac"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"OggS"), "*/ogg"),
    (re.compile(rb".{4}ftypM4[AB]", re.DOTALL), "audio/mp4"),
    (re.compile(rb".{4}ftyp(?:isom|iso[2-9]|mp4[12]|avc1|qt  |M4V|dash|3gp|MSNV)", re.DOTALL), "*/mp4"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "*/webm"),
)
_MEDIA_SAID = re.compile(r"(?:audio|video)/.*|application/(?:octet-stream|ogg|mp4|x-matroska)")

_KINDS = {
    "sheet": "csv tsv xls xlsx xlsm ods numbers",
    "slides": "ppt pptx pps ppsx odp key",
    "text": "txt log md rst doc docx odt rtf pages tex",
    "package": "zip gz tgz bz2 xz 7z rar tar zst jar",
    "source": "html htm xhtml xml svg json js ts css py sh php c h cpp java go rs rb sql yaml yml toml ini diff patch",
    "picture": "png jpg jpeg gif webp bmp avif heic heif tif tiff ico psd",
    "sound": "mp3 m4a aac ogg oga opus flac wav wma mid",
    "video": "mp4 m4v mov webm mkv avi wmv mpg mpeg ogv 3gp",
    "calendar": "ics ical vcs",
    "contacts": "vcf",
    "key": "asc pgp gpg p7s p7m pem crt key p12",
}
_KIND_OF = {extension: kind for kind, extensions in _KINDS.items() for extension in extensions.split()}
_WORDS = {
    "picture": marked("Image"),
    "sound": marked("Sound"),
    "video": marked("Video"),
    "sheet": marked("Table"),
    "slides": marked("Slides"),
    "text": marked("Text"),
    "package": marked("Archive"),
    "source": marked("Source"),
    "calendar": marked("Calendar"),
    "contacts": marked("Contact"),
    "key": marked("Key or signature"),
    "mail": marked("Message"),
}
_OF_TEXT = frozenset(("text", "source", "calendar", "contacts", "sheet", "key"))
_TEXT_TYPES = re.compile(
    r"text/.*|message/(?:delivery-status|disposition-notification|rfc822-headers|feedback-report)"
    r"|application/(?:json|xml|javascript|ecmascript|x-sh|sql|toml|yaml|x-yaml|pgp-keys|pgp-signature)"
    r"|.*\+(?:xml|json)"
)


@dataclass(frozen=True)
class AttachmentKind:
    """What an attachment is: `icon` names its picture, `words` say it, `form` is how a page can show it.

    `media_type` is what it is served as within a page of ours, "" for what is never given to a browser so. `problem`
    says why it is not shown where it looks as if it could be.
    """

    icon: str
    words: str
    form: PreviewForm = ""
    media_type: str = ""
    problem: str = ""


def kind_of(item: Attachment) -> AttachmentKind:
    """What an attachment is, by its content where a browser would go by that, and else by its name and type."""
    if item.is_message:
        return AttachmentKind("mail", _WORDS["mail"])
    extension = _extension(item.filename)
    if item.image_type:
        return _image(item)
    if item.head().startswith(b"%PDF-") and (
        item.content_type.endswith(("/pdf", "/octet-stream")) or extension == "pdf"
    ):
        large = item.size > LARGEST_PDF
        return AttachmentKind(
            "text", "PDF", "" if large else "pdf", "application/pdf", _("It is too large to be shown.") if large else ""
        )
    if media_type := _media_type(item):
        sound = media_type.startswith("audio/")
        return AttachmentKind(
            "sound" if sound else "video",
            _("Sound") if sound else _("Video"),
            "sound" if sound else "video",
            media_type,
        )
    kind = _KIND_OF.get(extension) or _by_type(item.content_type)
    if _is_text(item, kind):
        icon = kind if kind in _OF_TEXT else "text"
        is_table = extension in ("csv", "tsv") or item.content_type in ("text/csv", "text/tab-separated-values")
        return AttachmentKind(icon, _WORDS[icon], "table" if is_table else "text")
    return AttachmentKind(kind or "file", _WORDS.get(kind, extension.upper() or _("File")))


def has_thumbnail(item: Attachment, kind: AttachmentKind) -> bool:
    """Whether the card of an attachment shows it."""
    if kind.form != "image" or item.size > MOST_THUMBNAIL:
        return False
    size = _pixels(item)
    return size is not None and size[0] * size[1] <= MOST_THUMBNAIL_PIXELS


def text_of(item: Attachment) -> tuple[str, bool]:
    """A beginning of what it says, and whether there is more."""
    text = item.text_head(4 * MOST_TEXT)
    return text[:MOST_TEXT], len(text) > MOST_TEXT or item.size > 4 * MOST_TEXT


def table_of(text: str) -> list[list[str]]:
    """The rows of a table whose cells are separated by commas, semicolons or tabs (RFC 4180), as many as are shown."""
    head = text[:_HEAD_LINES].partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in reader:
            rows.append([cell[:_MOST_CELL] for cell in row[:_MOST_COLUMNS]])
            if len(rows) >= _MOST_ROWS:
                break
    except csv.Error:
        pass  # a quote that never ends: what came before it is shown
    return rows


def _pixels(item: Attachment) -> picture_sizes.Size | None:
    return picture_sizes.of(item.image_type, item.head(_HEAD_OCTETS))


def _image(item: Attachment) -> AttachmentKind:
    size = _pixels(item) if item.size <= LARGEST_IMAGE else None
    if size is None:
        return AttachmentKind(
            "picture", _("Image"), problem=_("How large it would be cannot be told, so it is not shown.")
        )
    words = _("Image, %(width)s × %(height)s", width=size[0], height=size[1])
    if size[0] * size[1] > MOST_PIXELS:
        return AttachmentKind("picture", words, problem=_("It has too many pixels to be shown."))
    return AttachmentKind("picture", words, "image", item.image_type)


def _media_type(item: Attachment) -> str:
    """What a browser can play it as; "" for anything else."""
    if not _MEDIA_SAID.fullmatch(item.content_type):
        return ""
    found = next((name for signature, name in _MEDIA if signature.match(item.head())), "")
    is_sound = item.content_type.startswith("audio/") or _KIND_OF.get(_extension(item.filename)) == "sound"
    return found.replace("*", "audio" if is_sound else "video")


def _is_text(item: Attachment, kind: str) -> bool:
    head = item.head()
    if _CONTROL_OCTETS.search(head) and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    if _TEXT_TYPES.fullmatch(item.content_type):
        return True
    is_office = _extension(item.filename) in ("doc", "docx", "odt", "rtf", "pages", "xls", "xlsx", "xlsm", "ods")
    return item.content_type == "application/octet-stream" and kind in _OF_TEXT and not is_office


def _by_type(content_type: str) -> str:
    main = content_type.partition("/")[0]
    if main in ("image", "audio", "video"):
        return {"image": "picture", "audio": "sound", "video": "video"}[main]
    if content_type in ("text/calendar", "text/vcard", "text/x-vcard"):
        return "calendar" if content_type == "text/calendar" else "contacts"
    for words, kind in (("spreadsheet", "sheet"), ("presentation", "slides"), ("zip", "package"), ("html", "source")):
        if words in content_type:
            return kind
    return "text" if main == "text" or "word" in content_type or "document" in content_type else ""


def _extension(name: str) -> str:
    found = _EXTENSION.search(name.lower())
    return found[1] if found else ""
