"""What a field of static/rich-field.js sends: a text, and its looks where it has some."""

from __future__ import annotations

from flask import request


def sent_looks(html_name: str = "html", text_name: str = "text") -> str:
    """The looks (HTML) that belong to the text that was sent; "" if it has none.

    A form that is sent without the script (or before it came) brings the looks that are stored, and the text that they
    belong to as ``HTML_NAME_of``: as long as that is the text still, they stay; a text written anew has none.
    """
    form = request.form
    is_written_anew = form.get(f"{html_name}_of", form.get(text_name, "")) != form.get(text_name, "")
    return "" if is_written_anew else form.get(html_name, "")
