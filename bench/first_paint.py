"""make bench-paint - how soon the list is painted, and how far it moves, with 300 messages and with 100,000.

    PYTHONPATH=tests .venv/bin/python -m bench.first_paint [--directory DIR] [--rounds N]

Opens the inbox in a Chromium with an empty cache, in turn of two mailboxes that differ in size alone, and prints the
median of first contentful paint and of the moment when the list is there (milliseconds), the layout shift (CLS), and
what all files of the first page weigh on the wire.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page

from bench import mailbox_database
from bench.letters import LARGE, Numbers
from bench.servers import program
from peers.browser import chromium, page_of
from peers.ports import free_port

_DIRECTORY = Path(__file__).parent.parent / "var/bench-paint"
_SIZES = (300, 100_000)
_WATCH = """
    globalThis.seen = { shift: 0, there: 0 };
    new PerformanceObserver((list) => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) seen.shift += each.value;
    }).observe({ type: "layout-shift", buffered: true });
    document.addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => {
        if (document.querySelector("ol.rows > li")) seen.there = performance.now();
    }));
"""
_FOUND = """() => ({ paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, ...seen,
    wire: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, each) => sum + each.transferSize, 0) })"""


class Painted(NamedTuple):
    """One opening: milliseconds until the first paint and until the list, the layout shift, and octets on the wire."""

    paint: float
    there: float
    shift: float
    wire: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures both sizes in turn, and prints a line for each."""
    parser = argparse.ArgumentParser(description="Measure how soon the list is painted.")
    parser.add_argument("--directory", type=Path, default=_DIRECTORY)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args(arguments)
    found: dict[int, list[Painted]] = {size: [] for size in _SIZES}
    with chromium() as browser, _site(asked.directory, 300) as small, _site(asked.directory, 100_000) as large:
        for _ in range(asked.rounds):
            for size, address in zip(_SIZES, (small, large), strict=True):
                found[size].append(_opened(browser, address))
    for size, all_of in found.items():
        middle = [statistics.median(values) for values in zip(*all_of, strict=True)]
        paint, there, shift, wire = middle
        print(f"{size:7} messages: paint {paint:.0f} ms, list {there:.0f} ms, CLS {shift:.4f}, {wire / 1000:.1f} kB")
    return 0


def _opened(browser: Browser, address: str) -> Painted:
    with page_of(browser, address) as page:
        page.goto("/login")
        page.get_by_label("User name").fill(LARGE)
        page.get_by_label("Password").fill(LARGE)
        page.keyboard.press("Enter")
        page.wait_for_selector("ol.rows")
        return _opened_again(page)


def _opened_again(page: Page) -> Painted:
    """The inbox in a tab of its own with nothing in its cache."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.add_init_script(_WATCH)
    page.goto("/folders/inbox")
    page.wait_for_selector("html.js")
    page.wait_for_load_state("networkidle")
    return Painted(**page.evaluate(_FOUND))


@contextmanager
def _site(directory: Path, messages: int) -> Iterator[str]:
    root = directory / str(messages)
    mailbox_database.build(root, Numbers(messages, messages, 2))
    address = f"127.0.0.1:{free_port()}"
    settings = {"root": str(root), "hostname": "mail.bench.test", "run_as": "root", "http_listen": address}
    with tempfile.TemporaryDirectory() as folder, program("web", Path(folder), settings):
        yield f"http://{address}"


if __name__ == "__main__":
    sys.exit(main())
