"""Following log files that grow, appear late and are rotated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.follow import LogFollower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines(follower: LogFollower) -> list[str]:
    return [line for _, line in follower.new_lines()]


def test_old_lines_are_passed_over_and_new_ones_come_whole(log: Path) -> None:
    log.write_text("old\n")
    with LogFollower({"web": log}) as follower:
        with log.open("a") as stream:
            stream.write("new\nhal")
        assert list(follower.new_lines()) == [("web", "new")]
        with log.open("a") as stream:
            stream.write("f\n")
        assert lines(follower) == ["half"]


def test_a_file_that_appears_later_is_read_from_its_beginning(log: Path) -> None:
    with LogFollower({"web": log}) as follower:
        assert lines(follower) == []
        log.write_text("first\n")
        assert lines(follower) == ["first"]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(log: Path, tmp_path: Path) -> None:
    log.touch()
    with LogFollower({"web": log}) as follower:
        log.write_text("last\n")
        log.rename(tmp_path / "log.1")
        log.write_text("first\n")
        assert lines(follower) == ["last", "first"]


def test_a_truncated_file_is_read_anew(log: Path) -> None:
    log.write_text("something long\n")
    with LogFollower({"web": log}) as follower:
        log.write_text("new\n")
        assert lines(follower) == ["new"]
