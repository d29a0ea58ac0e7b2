"""What the webmail's pages load of others' work: brought by npm, and copied to where the pages find it.

services/web/npm/package-lock.json pins the packages, with hashes and without a place to download them from; icons.json
beside it says which of Lucide's icons each of our names stands for. `ensure` is called as the project is installed or
its wheel is built (tools/build_hook.py); the wheel carries the copies, so whoever installs that needs no Node.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import node
from tools.environment import FRONTEND, ICONS, PROJECT, SCRIPTS, CannotGoOn, complain

PACKAGES = PROJECT / "services" / "web" / "npm"
_MODULES = {
    "squire.js": ("squire-rte/dist/squire.mjs", ""),
    "dompurify.js": ("dompurify/dist/purify.es.mjs", ""),
    "htmx.js": ("htmx.org/dist/htmx.min.js", "\nexport default htmx;\n"),
}
# pdf.js in its form for older browsers, and what it reads as a document asks for it. WebAssembly is no part of it: the
# policy of its page allows none, and it has scripts that do the same.
_PDF = "pdfjs-dist"
_PDF_SCRIPTS = {
    "pdf/pdf.js": "legacy/build/pdf.min.mjs",
    "pdf/pdf-worker.js": "legacy/build/pdf.worker.min.mjs",
    "pdf/wasm/openjpeg_nowasm_fallback.js": "wasm/openjpeg_nowasm_fallback.js",
    "pdf/wasm/jbig2_nowasm_fallback.js": "wasm/jbig2_nowasm_fallback.js",
}
_PDF_FOLDERS = ("cmaps", "standard_fonts")
_LICENCES = "LICENCES.txt"
_STAMP = ".complete"


def ensure() -> None:
    """Makes scripts and icons, unless they are those of today's lock. Raises CannotGoOn, OSError."""
    if _is_current():
        return
    with _alone():
        if _is_current():
            return
        node.bring(PACKAGES)
        SCRIPTS.mkdir(parents=True, exist_ok=True)
        _copy_modules(PACKAGES / "node_modules")
        _copy_pdf(PACKAGES / "node_modules" / _PDF)
        _copy_icons(PACKAGES / "node_modules" / "lucide-static" / "icons")
        (SCRIPTS / _STAMP).write_text(_wanted())


def licences() -> dict[str, str]:
    """The licence of each package whose files are copied, by its name."""
    packages = json.loads((PACKAGES / "package-lock.json").read_text())["packages"]
    wanted = packages[""]["dependencies"]
    return {name: packages[f"node_modules/{name}"]["license"] for name in sorted(wanted)}


def _wanted() -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in FRONTEND)).hexdigest()


def _is_current() -> bool:
    """Whether what was copied is what is wanted. A source distribution has the copies and no need of npm."""
    try:
        return (SCRIPTS / _STAMP).read_text() == _wanted() and ICONS.is_dir()
    except OSError:
        return False


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps two installations of one checkout from copying at the same time."""
    directory = os.open(PACKAGES, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _copy_modules(packages: Path) -> None:
    for name, (source, more) in _MODULES.items():
        text = (packages / source).read_text()
        # The maps that the last line names are not served.
        (SCRIPTS / name).write_text(re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text) + more)
    notices = [f"{name}\n\n{(packages / name / 'LICENSE').read_text().strip()}\n" for name in licences()]
    (SCRIPTS / _LICENCES).write_text(f"\n{'-' * 72}\n\n".join(notices))


def _copy_pdf(package: Path) -> None:
    for folder in _PDF_FOLDERS:
        shutil.rmtree(SCRIPTS / "pdf" / folder, ignore_errors=True)
        shutil.copytree(package / folder, SCRIPTS / "pdf" / folder)
    for name, source in _PDF_SCRIPTS.items():
        (SCRIPTS / name).parent.mkdir(parents=True, exist_ok=True)
        text = (package / source).read_text()
        (SCRIPTS / name).write_text(re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text))
    for each in sorted((package / "wasm").glob("LICENSE*")):
        shutil.copy(each, SCRIPTS / "pdf" / "wasm" / each.name)


def _copy_icons(lucide: Path) -> None:
    """The shapes of each icon, on Lucide's grid of 24 units; the template draws what is around them."""
    ICONS.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = json.loads((PACKAGES / "icons.json").read_text())
    for old in ICONS.iterdir():
        if old.stem not in names:
            old.unlink()
    for name, theirs in names.items():
        svg = (lucide / f"{theirs}.svg").read_text()
        shapes = re.sub(r"\s+", " ", svg.partition("<svg")[2].partition(">")[2].rpartition("</svg>")[0]).strip()
        (ICONS / f"{name}.html").write_text(shapes.replace(" />", "/>").replace("> <", "><"))


def main() -> None:
    try:
        ensure()
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
