"""Headers that keep a browser safe, set on whatever a view did not decide for itself."""

from __future__ import annotations

from flask import Flask, Response, request

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " manifest-src 'self'; worker-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'self'"
)
PREVIEW_POLICY = f"{PAGE_POLICY}; media-src 'self'"
"""Of the page that shows an attachment: sound and video too, from here."""

WORKER_POLICY = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
"""Of the service worker, which asks this server for the pages that are navigated to."""

PDF_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; font-src 'self' data: blob:;"
    " connect-src 'self'; worker-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'self';"
    " sandbox allow-scripts"
)
"""Of the page that draws a PDF: scripts of ours without eval or WebAssembly, and no origin. So its requests bring no
cookie along, and it reads nothing but our public files. Its worker is one that it makes itself, of our script."""

PRINT_POLICY = (
    "default-src 'none'; img-src data: 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-same-origin allow-modals"
)
"""Of messages on a page for paper, as of the frame of one; the page around it may call the dialogue for printing."""

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_SANDBOX = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def frame_policy(*, images: bool, proxied: bool = False) -> str:
    """For the page that holds a message's HTML: no script, no form, and no load but of images that were asked for.

    These come from here alone where they are `proxied`.

    Inline styles are the message's own; the sanitiser has taken out what could load anything. The sandbox keeps our
    origin, without scripts, so that the page around it can measure its height.
    """
    elsewhere = " 'self'" if proxied else " https: http:"
    sources = f"data:{elsewhere if images else ''}"
    return (
        f"default-src 'none'; img-src {sources}; style-src 'self' 'unsafe-inline'; base-uri 'none';"
        f" form-action 'none'; frame-ancestors 'self'; {_SANDBOX}"
    )


def register(app: Flask) -> None:
    """Adds the headers to every answer."""
    app.after_request(_protect)


def _protect(response: Response) -> Response:
    headers = response.headers
    is_page = response.mimetype == "text/html"
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else DATA_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    return response
