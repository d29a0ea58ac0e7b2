"""make bench-clicks - clicks and documents for the commonest tasks, in our webmail and in Roundcube.

    PYTHONPATH=tests .venv/bin/python -m bench.clicks [--directory DIR] [--unpack]

A driver does each task in a real Chromium as somebody with a mouse does it, in both webmails as they come, and counts
what it pressed (a choice in a menu is two) and the documents that the browser loaded for it, those in frames too.
Roundcube comes from Debian's packages, as for bench.roundcube, with its plugins for archive and junk on. What a click
leads to is waited for, so that a task that does not work any more fails here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Frame, Locator, Page, expect

from bench import mailbox_database, roundcube_stack
from bench.letters import LARGE, Numbers
from bench.servers import program
from peers.browser import chromium, page_of
from peers.ports import free_port

_DIRECTORY = Path(__file__).parent.parent / "var/bench-clicks"
_NUMBERS = Numbers(2000, 2000, 2)
_SOUGHT = "Grace"
"""The first name of some of those who write: more than a page of their messages."""
_GMAIL = {
    "read the newest": 1, "read the next": 1, "reply and send": 3, "archive one": 1, "delete one": 1, "junk one": 2,
    "move one to a folder": 3, "delete all that a search finds": 4, "empty the trash": 3, "act on row 40": 2,
    "attach two files": 4, "print": 2,
}  # fmt: skip
"""Known of its pages, not measured: nobody can start a Gmail of their own."""


class Effort(NamedTuple):
    """What a task took: clicks, and documents that were loaded."""

    clicks: int
    documents: int


class Hand:
    """A hand with a mouse on a page, which counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = self.documents = 0
        page.on("framenavigated", self._loaded)
        page.on("dialog", self._agreed)

    def click(self, what: str | Locator, text: str = "") -> None:
        """A press of the mouse on the first that is seen."""
        found = self.page.locator(what) if isinstance(what, str) else what
        (found.filter(has_text=text) if text else found).locator("visible=true").first.click()
        self.clicks += 1

    def press(self, what: str) -> None:
        """The same, by the page's own event, where the label that is drawn over a link keeps the pointer from it."""
        self.page.locator(what).locator("visible=true").first.evaluate("each => each.click()")
        self.clicks += 1

    def choose(self, what: str, paths: Sequence[Path]) -> None:
        """A press on what opens the system's dialogue for files, and the choice in it, which is the same everywhere."""
        with self.page.expect_file_chooser() as chooser:
            self.click(what)
        chooser.value.set_files(list(paths))

    def _agreed(self, dialog: object) -> None:
        self.clicks += 1
        dialog.accept()  # type: ignore[attr-defined]

    def _loaded(self, frame: Frame) -> None:
        if frame.url.startswith("http"):
            self.documents += 1


Task = Callable[[Hand, list[Path]], None]


def _our_tasks() -> dict[str, Task]:  # noqa: PLR0915 - a list of short tasks
    row = "ol.rows > .row"

    def composer(hand: Hand) -> None:
        hand.page.frame_locator(".docked iframe").locator("form.composer[data-ready]").wait_for()

    def read(hand: Hand) -> None:
        hand.click(f"{row} .row-link")
        hand.page.locator("article.message").wait_for()

    def next_one(hand: Hand, _files: list[Path]) -> None:
        first = hand.page.url
        hand.click("[data-step='1']")
        hand.page.wait_for_url(lambda url: url != first)

    def reply(hand: Hand, _files: list[Path]) -> None:
        read(hand)
        hand.click("[data-key=r]")
        composer(hand)
        frame = hand.page.frame_locator(".docked iframe")
        hand.page.keyboard.type("Yes.")
        hand.click(frame.get_by_role("button", name="Send", exact=True))
        hand.page.locator(".docked").wait_for(state="detached")

    def hovered(act: str) -> Task:
        def do(hand: Hand, _files: list[Path]) -> None:
            gone = hand.page.locator(row).first.get_attribute("data-id")
            hand.page.locator(row).first.hover()
            hand.click(f".hover-actions [data-act='{act}']")
            hand.page.locator(f"{row}[data-id='{gone}']").wait_for(state="detached")

        return do

    def ticked(which: int, *presses: str) -> Task:
        def do(hand: Hand, _files: list[Path]) -> None:
            hand.click(hand.page.locator(f"{row} .pick").nth(which))
            for each in presses:
                hand.click(each)
            hand.page.locator(".snackbar").wait_for()

        return do

    def found(hand: Hand, _files: list[Path]) -> None:
        hand.click(".search input[type=search]")
        hand.page.keyboard.type(_SOUGHT)
        hand.page.keyboard.press("Enter")
        hand.page.wait_for_url("**q=**")
        hand.page.wait_for_selector("html.js")
        hand.click(".select-all")
        if hand.page.locator(".every").is_visible():
            hand.click(".every")
        hand.click("[value='move:trash']")
        hand.page.locator(".snackbar").wait_for()

    def empty(hand: Hand, _files: list[Path]) -> None:
        hand.click(".nav-list a", "Trash")
        hand.page.wait_for_url("**/trash")
        hand.page.wait_for_selector("html.js")
        hand.click(".empty-button")
        hand.page.locator(".snackbar").wait_for()

    def attach(hand: Hand, files: list[Path]) -> None:
        hand.click(".compose-button")
        composer(hand)
        frame = hand.page.frame_locator(".docked iframe")
        for file in files:
            with hand.page.expect_file_chooser() as chooser:
                hand.click(frame.locator(".file-label"))
            chooser.value.set_files(file)
            frame.locator("[data-uploads] [data-kept]", has_text=file.name).first.wait_for()

    def print_it(hand: Hand, _files: list[Path]) -> None:
        read(hand)
        hand.click("[data-print]")
        hand.page.wait_for_selector(".print-frame", state="attached")

    return {
        "read the newest": lambda hand, _files: read(hand),
        "read the next": next_one,
        "reply and send": reply,
        "archive one": hovered("move:archive"),
        "delete one": hovered("move:trash"),
        "junk one": ticked(0, "[value='move:junk']"),
        "move one to a folder": ticked(0, "details[data-key=v] summary", ".menu-item[value='move:archive']"),
        "delete all that a search finds": found,
        "empty the trash": empty,
        "act on row 40": ticked(39, "[value='move:trash']"),
        "attach two files": attach,
        "print": print_it,
    }


def _their_tasks() -> dict[str, Task]:  # noqa: PLR0915 - the same
    row, counter = "#messagelist tbody tr.message", "#rcmcountdisplay"

    def shown(hand: Hand) -> None:
        hand.page.frame_locator("#messagecontframe").locator("#message-header, #messagebody").first.wait_for()

    def read(hand: Hand) -> None:
        hand.click(row)
        shown(hand)

    def next_one(hand: Hand, _files: list[Path]) -> None:
        hand.click(hand.page.locator(row).nth(1))
        shown(hand)

    def reply(hand: Hand, _files: list[Path]) -> None:
        read(hand)
        hand.click("a.reply:not(.disabled)")
        hand.page.locator("#composebody").wait_for()
        hand.page.keyboard.type("Yes.")
        hand.click("button.send, a.send")

    def selected(*presses: str, which: int = 0) -> Task:
        def do(hand: Hand, _files: list[Path]) -> None:
            chosen = hand.page.locator(row).nth(which)
            gone = chosen.get_attribute("id")
            hand.click(chosen)
            shown(hand)
            for each in presses:
                hand.click(each)
            hand.page.locator(f"#{gone}").wait_for(state="hidden")

        return do

    def found(hand: Hand, _files: list[Path]) -> None:
        before = hand.page.locator(counter).text_content()
        hand.click("#mailsearchform")
        hand.page.keyboard.type(_SOUGHT)
        hand.page.keyboard.press("Enter")
        expect(hand.page.locator(counter)).to_contain_text(" of ")
        expect(hand.page.locator(counter)).not_to_have_text(before or "")
        hand.press("a.select")
        hand.press("#listselect-menu a.select.all")
        gone = hand.page.locator(row).first.get_attribute("id")
        hand.click("a.delete:not(.disabled)")
        hand.page.locator(f"#{gone}").wait_for(state="hidden")

    def empty(hand: Hand, _files: list[Path]) -> None:
        hand.click("#mailboxlist li.trash a")
        hand.page.locator(row).first.wait_for()
        hand.click("a.sidebar-menu, .header a.actions")
        hand.click("a.purge:not(.disabled)")
        hand.click(".ui-dialog button.mainaction, .ui-dialog button.delete")
        hand.page.wait_for_function("!document.querySelector('#messagelist tbody tr.message')")

    def attach(hand: Hand, files: list[Path]) -> None:
        hand.click("a.compose")
        hand.page.locator("#composebody").wait_for()
        for file in files:
            hand.choose("#compose-attachments button.attach, #compose-attachments a.attach, button.attach", [file])
            hand.page.locator("#attachment-list li", has_text=file.name).wait_for()

    def print_it(hand: Hand, _files: list[Path]) -> None:
        read(hand)
        hand.click("#toolbar-menu a.more, a.more:not(.disabled)")
        with hand.page.expect_popup():
            hand.click("a.print:not(.disabled)")
        hand.documents += 1

    return {
        "read the newest": lambda hand, _files: read(hand),
        "read the next": next_one,
        "reply and send": reply,
        "archive one": selected("a.archive:not(.disabled)"),
        "delete one": selected("a.delete:not(.disabled)"),
        "junk one": selected("a.junk:not(.disabled)"),
        "move one to a folder": selected(
            "a.more:not(.disabled)", "a.move:not(.disabled)", "#folder-selector li.archive a"
        ),
        "delete all that a search finds": found,
        "empty the trash": empty,
        "act on row 40": selected("a.delete:not(.disabled)", which=39),
        "attach two files": attach,
        "print": print_it,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Does every task in both, and prints a row for each; fails if ours takes more clicks than Roundcube's."""
    parser = argparse.ArgumentParser(description="Count clicks and documents in our webmail and in Roundcube.")
    parser.add_argument("--directory", type=Path, default=_DIRECTORY)
    parser.add_argument("--unpack", action="store_true", help="bring Debian's packages first")
    asked = parser.parse_args(arguments)
    if asked.unpack:
        roundcube_stack.unpack(asked.directory / "packages")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        files = [Path(folder, name) for name in ("a.csv", "b.txt")]
        for file in files:
            file.write_text("1,2\n", "utf-8")
        ours, theirs = _ours(browser, files), _theirs(browser, asked.directory, files)
    return _print_table(ours, theirs)


def _print_table(ours: dict[str, Effort], theirs: dict[str, Effort]) -> int:
    print("| task | ours | Roundcube | Gmail |\n| --- | --- | --- | --- |")
    worse = 0
    for name, own in ours.items():
        other = theirs.get(name)
        worse += bool(other and own.clicks > other.clicks)
        beside = f"{other.clicks}, {other.documents}" if other else "not run"
        print(f"| {name} | {own.clicks}, {own.documents} | {beside} | {_GMAIL[name]} |")
    return worse


def _done(page: Page, tasks: dict[str, Task], begin: Callable[[Page], None], files: list[Path]) -> dict[str, Effort]:
    efforts = {}
    for name, task in tasks.items():
        if name != "read the next":  # which goes on from the one that is open
            begin(page)
        hand = Hand(page)
        task(hand, files)
        efforts[name] = Effort(hand.clicks, hand.documents)
        page.remove_listener("framenavigated", hand._loaded)
        page.remove_listener("dialog", hand._agreed)
    return efforts


def _ours(browser: Browser, files: list[Path]) -> dict[str, Effort]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mailbox_database.build(root / "ours", _NUMBERS)
        address = f"127.0.0.1:{free_port()}"
        settings = {"root": str(root / "ours"), "hostname": "mail.bench.test", "run_as": "root", "http_listen": address}
        stack.enter_context(program("web", root, settings))
        page = stack.enter_context(page_of(browser, f"http://{address}"))
        page.goto("/login")
        page.get_by_label("User name").fill(LARGE)
        page.get_by_label("Password").fill(LARGE)
        page.keyboard.press("Enter")
        page.locator(".tour-close").click()

        def begin(page: Page) -> None:
            page.goto("/folders/inbox")
            page.wait_for_selector("html.js")

        return _done(page, _our_tasks(), begin, files)


def _theirs(browser: Browser, directory: Path, files: list[Path]) -> dict[str, Effort]:
    with ExitStack() as stack:
        try:
            page = stack.enter_context(_roundcube_page(browser, directory))
        except roundcube_stack.StackMissing as error:
            print(error)
            return {}

        def begin(page: Page) -> None:
            page.goto("/?_task=mail&_mbox=INBOX")
            page.locator("#messagelist tbody tr.message").first.wait_for()

        return _done(page, _their_tasks(), begin, files)


@contextmanager
def _filled(folder: Path) -> Iterator[Path]:
    """The mail, made anew each time, for the tasks delete and move it."""
    folder.chmod(0o755)
    roundcube_stack.fill(folder / "mail", _NUMBERS)
    yield folder / "mail"


@contextmanager
def _roundcube_page(browser: Browser, directory: Path) -> Iterator[Page]:
    """Somebody logged in to Roundcube. Raises StackMissing."""
    roundcube_stack.check(directory / "packages")
    with (
        tempfile.TemporaryDirectory() as folder,
        _filled(Path(folder)) as mail,
        roundcube_stack.roundcube(directory / "packages", mail, "maildir", Path(folder)) as stack,
        page_of(browser, f"http://{stack.address[0]}:{stack.address[1]}") as page,
    ):
        page.goto("/")
        page.locator("[name=_user]").fill(LARGE)
        page.locator("[name=_pass]").fill("any")
        page.locator("button[type=submit], #rcmloginsubmit").first.click()
        page.locator("#messagelist tbody tr.message").first.wait_for()
        yield page


if __name__ == "__main__":
    sys.exit(main())
