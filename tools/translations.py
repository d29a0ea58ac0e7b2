"""make translations - bring the webmail's catalogues up to date with its code, and compile them.

`python -m tools.translations` finds every text that people see (docs/translating.md), writes each catalogue
(services/web/onifast_web/languages/catalogues/LANGUAGE.po) anew with what is new and without what is gone, and compiles
it. `--new LANGUAGE` begins one. `compile` compiles alone, where something changed: as the project is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tools.environment import CATALOGUES, JS_TEXTS, PROJECT

WEB = PROJECT / "services" / "web" / "onifast_web"
_STAMP = ".compiled"
_PYTHON = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "marked": None,
}
_JAVASCRIPT = {"t": None, "tn": (1, 2)}
_TEMPLATES = {"extensions": "jinja2.ext.do,jinja2.ext.loopcontrols", "trimmed": "true", "newstyle_gettext": "true"}


def extracted() -> Catalog:
    """Every text of the webmail."""
    found = Catalog(project="onifast-mail", charset="utf-8", fuzzy=False)
    for file, method, keywords, options in _sources():
        for _line, message, comments, context in extract_from_file(
            method, file, keywords=keywords, comment_tags=("Translators:",), options=options, strip_comment_tags=True
        ):
            found.add(message, auto_comments=comments, context=context)
    return found


def catalogues() -> dict[str, Catalog]:
    """The catalogue of each language, as it is committed."""
    found = {}
    for file in sorted(CATALOGUES.glob("*.po")):
        with file.open("rb") as stream:
            found[file.stem] = read_po(stream, locale=file.stem.replace("-", "_"))
    return found


def updated(tag: str, catalogue: Catalog, template: Catalog) -> bytes:
    """A catalogue as it must be for the code of today: what is new is empty, what is gone is gone."""
    catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False, keep_user_comments=True)
    catalogue.obsolete.clear()
    return _written(tag, catalogue)


def compile_all() -> None:
    """Makes .mo files, and what scripts need of them, unless they are those of today."""
    files = sorted(CATALOGUES.glob("*.po"))
    wanted = _digest([*files, *sorted((WEB / "static").glob("*.js"))])
    stamp = CATALOGUES / _STAMP
    if stamp.exists() and stamp.read_text() == wanted and JS_TEXTS.is_dir():
        return
    JS_TEXTS.mkdir(exist_ok=True)
    for old in [*CATALOGUES.glob("*.mo"), *JS_TEXTS.glob("*.js")]:
        old.unlink()
    of_scripts = _of_scripts()
    for tag, catalogue in catalogues().items():
        with (CATALOGUES / f"{tag}.mo").open("wb") as stream:
            write_mo(stream, catalogue)
        (JS_TEXTS / f"{tag}.js").write_text(_script(catalogue, of_scripts))
    for tag, change in runpy.run_path(str(WEB / "languages" / "pseudo.py"))["LANGUAGES"].items():
        (JS_TEXTS / f"{tag}.js").write_text(_script(_changed(catalogues()["de"], change), of_scripts))
    stamp.write_text(wanted)


def _changed(catalogue: Catalog, change: Callable[[str], str]) -> Catalog:
    """A pseudo language's texts: a catalogue's own, changed."""
    for message in catalogue:
        both = (message.id,) if isinstance(message.id, str) else message.id
        changed = tuple(change(each) for each in both)
        message.string = changed[0] if isinstance(message.id, str) else changed
    return catalogue


def _sources() -> Iterator[tuple[Path, str, dict[str, Any], dict[str, str]]]:
    for file in sorted(WEB.rglob("*.py")):
        yield file, "python", dict(_PYTHON), {}
    for file in sorted((WEB / "templates").glob("*.html")):
        yield file, "jinja2.ext:babel_extract", dict(_PYTHON), _TEMPLATES
    for file in sorted((WEB / "static").glob("*.js")):
        yield file, "javascript", dict(_JAVASCRIPT), {"template_string": "False"}


def _of_scripts() -> set[str]:
    """The texts that scripts show, by their singular."""
    found = set()
    for file, method, keywords, options in _sources():
        if file.suffix == ".js":
            for _line, message, _comments, _context in extract_from_file(
                method, file, keywords=keywords, options=options
            ):
                found.add(message if isinstance(message, str) else message[0])
    return found


def _script(catalogue: Catalog, wanted: set[str]) -> str:
    """The texts that scripts show, as a script of its own: no policy against inline scripts stands in its way."""
    texts = {}
    for message in catalogue:
        one = message.id if isinstance(message.id, str) else message.id[0]
        if one in wanted and message.string:
            texts[one] = message.string if isinstance(message.string, str) else list(message.string)
    shown = json.dumps(texts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"globalThis.onifastTexts={{plural:n=>Number({catalogue.plural_expr}),texts:{shown}}};\n"


def _written(tag: str, catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=100, sort_by_file=False, sort_output=True, no_location=True, omit_header=True)
    head = (
        f'msgid ""\nmsgstr ""\n"Project-Id-Version: onifast-mail\\n"\n"Language: {tag}\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    return head.encode() + out.getvalue()


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(
        b"".join(file.read_bytes() for file in [*files, Path(__file__), WEB / "languages" / "pseudo.py"])
    ).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="bring the webmail's catalogues up to date, and compile them")
    parser.add_argument("do", nargs="?", default="update", choices=("update", "compile"))
    parser.add_argument("--new", metavar="LANGUAGE", help="begin a catalogue for this language, by BCP 47")
    asked = parser.parse_args()
    if asked.do == "update":
        template, known = extracted(), catalogues()
        if asked.new:
            known.setdefault(asked.new, Catalog(locale=asked.new.replace("-", "_")))
        for tag, catalogue in known.items():
            (CATALOGUES / f"{tag}.po").write_bytes(updated(tag, catalogue, template))
    compile_all()


if __name__ == "__main__":
    main()
