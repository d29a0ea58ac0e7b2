"""What our templates put out is what Jinja's own compiler makes of them: escaped, and once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup
from onifast_web.languages.compiling import OutputEnvironment

TEMPLATES = (
    "{{ value }}",
    "{% macro twice(x) %}<b>{{ x }}</b>{{ x }}{% endmacro %}{% set y = twice(value) %}{{ y }}{{ y ~ value }}",
    "{% set y %}<i>{{ value }}</i>{% endset %}{{ y }}",
    "{% filter upper %}<i>{{ value }}</i>{% endfilter %}",
    "{% autoescape false %}{{ value }}{% endautoescape %}{% autoescape true %}{{ value }}{% endautoescape %}",
    "{% macro box() %}<p>{{ caller() }}</p>{% endmacro %}{% call box() %}{{ value }}{% endcall %}",
    "{{ _('Select: %(what)s', what=value) }}{% trans what=value %}Select: {{ what }}{% endtrans %}",
    "{{ _('100 %% sure') }}",
    "{% trans n=3 %}{{ n }} message{% pluralize %}{{ n }} messages{% endtrans %}{{ _('%(n)d of it', n=3) }}",
    "{% macro shown(_) %}{{ _('<b>') }}{{ value }}{% endmacro %}{{ shown(gettext) }}{% set _ = value %}{{ _ }}",
    "{{ value | safe }}{{ value | e }}{{ value | upper }}{{ missing }}",
)


class Marked:
    """A value that knows how it looks as HTML."""

    def __html__(self) -> str:
        return "<u>ours</u>"


@pytest.mark.parametrize("value", ["<a href='x' title=\"y\">&</a>", Markup("<b>bold</b>"), 7, None, Marked(), ["<"]])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_puts_out_what_it_does_with_jinjas_own_compiler(app: Flask, template: str, value: Any) -> None:
    assert isinstance(app.jinja_env, OutputEnvironment)
    with app.test_request_context("/"):
        ours = render_template_string(template, value=value)
    plain = Flask("onifast_web")
    plain.jinja_env.add_extension("jinja2.ext.i18n")
    plain.jinja_env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    with plain.test_request_context("/"):
        theirs = render_template_string(template, value=value)
    assert ours == theirs
    assert "environment.escaped(" in app.jinja_env.compile("{{ value }}", raw=True), "or nothing was compared"
