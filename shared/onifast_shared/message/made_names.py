"""File names for parts that have none, by their types."""

from __future__ import annotations

_EXTENSIONS = {
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/zip": "zip",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/pjpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "message/delivery-status": "txt",
    "message/disposition-notification": "txt",
    "message/feedback-report": "txt",
    "message/global-delivery-status": "txt",
    "message/global-headers": "txt",
    "message/rfc822": "eml",
    "message/global": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/vcard": "vcf",
}
_NAMES = {
    "message/delivery-status": "delivery-status",
    "message/global-delivery-status": "delivery-status",
    "message/rfc822": "message",
    "text/calendar": "event",
    "text/rfc822-headers": "returned-header",
}


def of(content_type: str, index: int) -> str:
    """The name of the part that is the `index`th, from 0, of a message: it says what people would call it."""
    return f"{_NAMES.get(content_type, 'attachment')}-{index + 1}.{_EXTENSIONS.get(content_type, 'bin')}"
