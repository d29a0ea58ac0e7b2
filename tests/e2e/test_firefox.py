"""The twelve main paths of the webmail in Firefox, against the real three programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import OUTSIDE
from e2e.site import Site
from peers.firefox import walk
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("firefox_paths.cjs")
PICTURES = Path(__file__).parents[2] / "var" / "screenshots"
"""Has a picture of where it went wrong, if it did."""
PATHS = [
    *("log in", "list", "open", "reply", "compose with an attachment", "search"),
    *("label", "move", "undo", "settings", "filter", "log out"),
]


@pytest.mark.timeout(360)
def test_the_main_paths_work_in_firefox(site: Site, tmp_path: Path) -> None:
    site.add_user("fox", "quick brown", "fox@example.test")
    assert site.api("POST", "/api/mail/labels", {"name": "Work", "colour": "teal"}, user="fox").status == 201
    for subject, text in (("A plan", "Shall we meet?"), ("An offer", "Please find it below.")):
        swaks(
            "127.0.0.1", site.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.remote.test",
            "--from", "alice@remote.test", "--to", "fox@example.test", "--header", f"Subject: {subject}",
            "--body", text,
        )  # fmt: skip
        site.wait_for_mail("fox", subject)
    PICTURES.mkdir(parents=True, exist_ok=True)
    file = tmp_path / "notes.txt"
    file.write_text("Notes.\n", "utf-8")
    values = {"url": site.base_url, "user": "fox", "password": "quick brown", "file": str(file)}
    values["picture"] = str(PICTURES / "firefox.png")
    found = walk(SCRIPT, values, tmp_path)
    assert (found.problems, found.done) == ([], PATHS)
    assert [each["filename"] for each in site.wait_for_mail("ben", "With a file")["attachments"]] == ["notes.txt"]
    assert site.wait_for_mail("fox", "Re: A plan", "sent")["text"].startswith("Yes, at noon.")
