"""Replies: written, parsed from a server's lines, and safe to repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values.reply import Deferred, Delivered, Failed, Reply, ReplyError, Trail


def test_a_reply_reads_as_code_status_text() -> None:
    assert str(Reply(550, "5.1.1", "no such user")) == "550 5.1.1 no such user"
    assert str(Reply(250, "", "ok")) == "250 ok"
    assert str(Reply(250, "", "")) == "250"


def test_a_reply_of_several_lines_repeats_code_and_status() -> None:
    reply = Reply(550, "5.7.1", "no\nrelaying")
    assert reply.lines() == ["550-5.7.1 no", "550 5.7.1 relaying"]
    assert str(reply) == "550 5.7.1 no relaying"


def test_lines_of_a_server_are_parsed() -> None:
    assert Reply.parse(["550-5.1.1 no such\r\n", "550 5.1.1 user\r\n"]) == Reply(550, "5.1.1", "no such\nuser")
    assert Reply.parse(["250-host greets", "250-SIZE 10", "250 "]).text == "host greets\nSIZE 10\n"
    assert Reply.parse(["354"]) == Reply(354, "", "")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["250-a", "251 b"], Reply(251, "", "a\nb")),
        (["550-5.1.1 no such user", "450 4.2.0 try again"], Reply(450, "4.2.0", "5.1.1 no such user\ntry again")),
        (["250-2.1.5 fine", "550 5.7.1 but not today"], Reply(550, "5.7.1", "2.1.5 fine\nbut not today")),
        (["550-one", "a line without code", "", "550 three"], Reply(550, "", "one\na line without code\n\nthree")),
        (["150-what", "250 ok"], Reply(250, "", "150-what\nok")),
    ],
)
def test_the_last_line_decides_where_lines_differ_and_all_words_are_kept(lines: list[str], expected: Reply) -> None:
    assert Reply.parse(lines) == expected


def test_an_enhanced_code_of_another_class_is_text() -> None:
    assert Reply.parse(["450 5.1.1 odd"]) == Reply(450, "", "5.1.1 odd")


@pytest.mark.parametrize(
    "lines", [[], ["hello"], ["25 ok"], ["250-a", "151 b"], ["650 x"], ["250_x"], ["١٢٣ x"], ["0250 x"], ["250-a", "b"]]
)
def test_what_is_no_reply_is_refused(lines: list[str]) -> None:
    with pytest.raises(ReplyError):
        Reply.parse(lines)


def test_a_reply_cannot_carry_control_characters_or_line_ends() -> None:
    reply = Reply(550, "5.0.0", "a\r\n250 ok\x00\x1b[31m\u2028b")
    assert all(line.isprintable() and line.startswith("550") for line in reply.lines())
    assert str(reply).isprintable()


def test_a_code_out_of_range_is_refused() -> None:
    with pytest.raises(ReplyError):
        Reply(199, "", "")
    with pytest.raises(ReplyError):
        Reply(600, "", "")


def test_a_status_that_is_none_is_refused() -> None:
    with pytest.raises(ReplyError):
        Reply(550, "5.1", "")


def test_a_class_is_one_of_three() -> None:
    assert [Reply(code, "", "").is_positive for code in (250, 354, 451, 550)] == [True, True, False, False]
    assert [Reply(code, "", "").is_transient for code in (250, 354, 451, 550)] == [False, False, True, False]
    assert [Reply(code, "", "").is_permanent for code in (250, 354, 451, 550)] == [False, False, False, True]


def test_the_status_falls_back_to_the_class() -> None:
    assert Reply(451, "", "").status == "4.0.0"
    assert Reply(451, "4.3.0", "").status == "4.3.0"


def test_a_chatty_server_is_cut_short() -> None:
    assert len(Reply.parse(["250-" + "x" * 1000] * 100 + ["250 x"]).text) <= 4096


@given(st.lists(st.text(max_size=20), max_size=4))
def test_parsing_gives_a_reply_or_a_reply_error(lines: list[str]) -> None:
    try:
        reply = Reply.parse(lines)
    except ReplyError:
        return
    assert str(reply).startswith(str(reply.code))


def test_outcomes_carry_the_reply_that_decided_them() -> None:
    reply = Reply(250, "2.0.0", "ok")
    assert Delivered(reply, Trail("mx.example")).reply is reply
    outcomes = {Delivered(reply), Deferred(reply), Failed(reply)}
    assert len(outcomes) == 3
