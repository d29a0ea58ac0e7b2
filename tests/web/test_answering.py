"""Whom an answer goes to, and what it belongs to."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.parsing import summary
from onifast_shared.recipients import forwards
from onifast_shared.values.address import Address
from onifast_web.actions import answering

from web.composing import body, field, only, send
from web.support import Browser, Panel, deliver, give_address

ME = {"demo@example.test"}


def message(**named: str) -> bytes:
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"{head}Subject: x\r\n\r\nx\r\n".encode()


def reply(folder: str = "inbox", **named: str) -> list[str]:
    return texts(answering.to(summary(message(**named)), ME, folder=folder).reply().to)


def reply_all(folder: str = "inbox", **named: str) -> tuple[list[str], list[str]]:
    answer = answering.to(summary(message(**named)), ME, folder=folder).reply_all()
    return texts(answer.to), texts(answer.cc)


def texts(mailboxes: list[AddressEntry]) -> list[str]:
    return [str(each) for each in mailboxes]


def written(browser: Browser, email_id: int, kind: str) -> tuple[str, str]:
    """What the composer's fields To and Cc begin with."""
    page = browser.get(f"/compose?{kind}={email_id}").text
    return field(page, "to"), field(page, "cc")


# By encoded names


def test_a_name_with_an_encoded_comma_is_answered(browser: Browser, database: Database) -> None:
    raw = message(From="=?iso-8859-1?Q?M=FCller=2C_J=F6rg?= <jm@remote.test>")
    to, _ = written(browser, deliver(database, raw=raw), "reply")
    assert to == '"Müller, Jörg" <jm@remote.test>'
    assert send(browser, to=to).status_code == 303
    _, sent = only(database, "sent")
    assert [(each.name, str(each.address)) for each in sent.mailboxes("to")] == [("Müller, Jörg", "jm@remote.test")]


def test_an_encoded_comma_adds_no_recipient(browser: Browser, database: Database) -> None:
    raw = message(
        From="Boss <boss@remote.test>",
        To="demo@example.test, =?utf-8?Q?x=40evil=2Etest=2C_Jane?= <jane@remote.test>",
        Reply_To="=?utf-8?Q?spy=40evil=2Etest=2C?= <boss@remote.test>",
    )
    email_id = deliver(database, raw=raw)
    assert written(browser, email_id, "reply") == ('"spy@evil.test," <boss@remote.test>', "")
    to, cc = written(browser, email_id, "reply_all")
    assert (to, cc) == ('"spy@evil.test," <boss@remote.test>', '"x@evil.test, Jane" <jane@remote.test>')
    send(browser, to=to, cc=cc)
    _, sent = only(database, "sent")
    (row,) = [
        row for row in database.read(lambda tx: list(tx.execute("SELECT recipient FROM emails"))) if "," in row[0]
    ]
    assert row[0] == "boss@remote.test, jane@remote.test" and "evil" not in row[0]
    assert [str(each.address) for each in sent.mailboxes("to")] == ["boss@remote.test"]


def test_the_api_gives_addresses_that_no_name_can_add_to(panel: Panel, database: Database) -> None:
    raw = message(
        From="Boss <boss@remote.test>",
        To="=?utf-8?Q?x=40evil=2Etest=2C_Jane?= <jane@remote.test>, demo@example.test",
        Cc="Team: Ed <ed@remote.test>;",
        Reply_To="=?utf-8?Q?spy=40evil=2Etest=2C?= <boss@remote.test>",
        List_Post="<mailto:list@lists.test>",
    )
    found = panel.acting_for("demo").get("/api/mail/read", id=deliver(database, raw=raw), mark_read=0).get_json()
    assert found["to"] == '"x@evil.test, Jane" <jane@remote.test>, demo@example.test'
    assert found["to_addresses"] == [
        {"name": "x@evil.test, Jane", "address": "jane@remote.test"},
        {"name": "", "address": "demo@example.test"},
    ]
    assert found["cc_addresses"] == [{"name": "Ed", "address": "ed@remote.test"}]
    assert found["reply_to_addresses"] == [{"name": "spy@evil.test,", "address": "boss@remote.test"}]
    assert found["list_post"] == "list@lists.test"
    assert dict(found["headers"])["Reply-To"] == '"spy@evil.test," <boss@remote.test>'


def test_a_list_of_names_with_commas_shows_where_each_ends(browser: Browser, database: Database) -> None:
    raw = message(
        From="=?utf-8?Q?Doe=2C_John?= <j@remote.test>", To="demo@example.test, =?utf-8?Q?Roe=2C_Jane?= <r@remote.test>"
    )
    assert "to me; Roe, Jane" in browser.text_of(f"/messages/{deliver(database, raw=raw)}")
    assert "Doe, John" in browser.text_of("/folders/inbox")
    send(browser, "save", to='"Poe, Ed" <ed@remote.test>, Ann <ann@remote.test>')
    assert "Poe, Ed; Ann" in browser.text_of("/folders/drafts")


def test_a_name_that_holds_another_address_is_marked(browser: Browser, database: Database) -> None:
    raw = message(From="=?utf-8?Q?Bank_=3Csupport=40bank=2Etest=3E?= <x@evil.test>")
    page = browser.text_of(f"/messages/{deliver(database, raw=raw)}")
    assert "contains the address support@bank.test, but the message comes from x@evil.test" in page


def test_a_message_without_an_id_is_answered_as_any_other(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(From="a@remote.test"))
    page = browser.get(f"/compose?reply={email_id}").text
    assert "<h1>Reply</h1>" in page and field(page, "in_reply_to") == ""


def test_a_draft_of_another_program_is_edited_with_its_recipients(browser: Browser, database: Database) -> None:
    raw = message(From="demo@example.test", To="=?utf-8?Q?x=40evil.test=2C?= <a@remote.test>", Bcc="b@remote.test")
    page = browser.get(f"/compose?draft={deliver(database, raw=raw, folder='drafts')}").text
    assert (field(page, "to"), field(page, "bcc")) == ('"x@evil.test," <a@remote.test>', "b@remote.test")


def test_a_received_message_is_no_draft(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(From="a@remote.test", To="b@remote.test"))
    assert browser.get(f"/compose?draft={email_id}").status_code == 404


def test_a_forward_names_people_as_they_stand_in_the_header(browser: Browser, database: Database) -> None:
    raw = message(From="=?utf-8?Q?Doe=2C_John?= <j@remote.test>", To="=?utf-8?Q?Roe=2C_Jane?= <r@remote.test>")
    page = browser.get(f"/compose?forward={deliver(database, raw=raw)}").text
    assert 'From: "Doe, John" <j@remote.test>' in body(page) and 'To: "Roe, Jane" <r@remote.test>' in body(page)


# Reply


def test_a_reply_goes_to_reply_to_or_else_to_the_author() -> None:
    assert reply(From="a@x.test", Reply_To="b@x.test, c@x.test") == ["b@x.test", "c@x.test"]
    assert reply(From="a@x.test, b@x.test", Sender="s@x.test") == ["a@x.test", "b@x.test"]
    assert reply(From="a@x.test", Reply_To="nonsense") == ["a@x.test"]
    assert reply(From="a@x.test", Reply_To="demo@example.test") == ["a@x.test"]


def test_a_personal_reply_goes_past_a_list_that_set_reply_to() -> None:
    named = {"From": "a@x.test", "Reply_To": "list@lists.test", "Mail_Reply_To": "a.private@x.test"}
    assert reply(**named) == ["a.private@x.test"]
    assert reply_all(**named) == (["list@lists.test"], [])


@pytest.mark.parametrize("folder", ["sent", "archive"])
def test_a_reply_to_ones_own_message_goes_to_its_recipients(folder: str) -> None:
    named = {"From": "demo@example.test", "To": "a@x.test, demo@example.test", "Cc": "c@x.test"}
    assert reply(folder, **named) == ["a@x.test"]
    assert reply_all(folder, **named) == (["a@x.test"], ["c@x.test"])


def test_a_reply_to_a_note_to_oneself_goes_to_oneself() -> None:
    assert reply("sent", From="demo@example.test", To="Demo <demo@example.test>") == ["Demo <demo@example.test>"]
    assert reply_all(From="demo@example.test", To="Demo@Example.test") == (["Demo@example.test"], [])


def test_a_contact_form_in_ones_own_name_is_answered_to_its_visitor() -> None:
    assert reply(From="demo@example.test", To="demo@example.test", Reply_To="v@x.test") == ["v@x.test"]


# Reply to all


def test_a_reply_to_all_names_everybody_once_and_oneself_never() -> None:
    assert reply_all(
        From="a@x.test", To="demo@example.test, B <b@x.test>, A@X.test", Cc="b@x.test, c@x.test, DEMO@EXAMPLE.TEST"
    ) == (["a@x.test"], ["B <b@x.test>", "c@x.test"])


def test_all_of_ones_own_addresses_are_left_out(browser: Browser, database: Database) -> None:
    give_address(database, "*@shop.test", "demo")
    give_address(database, "maria@example.test", "maria")
    database.write(lambda tx: forwards.set_alias(tx, "alias.test", "example.test"))
    own = "demo+news@example.test, demo@alias.test, anything@shop.test, Demo@Example.TEST"
    raw = message(From="a@remote.test", To=f"{own}, maria@example.test", Cc=f"c@remote.test, {own}")
    to, cc = written(browser, deliver(database, raw=raw, recipient="demo+news@example.test"), "reply_all")
    assert (to, cc) == ("a@remote.test", "maria@example.test, c@remote.test")


def test_an_alias_for_several_people_is_none_of_ones_own(browser: Browser, database: Database) -> None:
    team = Address.parse("team@example.test")
    database.write(lambda tx: forwards.add(tx, team, Address.parse("demo@example.test"), "demo"))
    database.write(lambda tx: forwards.add(tx, team, Address.parse("colleague@remote.test"), "demo"))
    email_id = deliver(database, raw=message(From="a@remote.test", To="team@example.test"))
    assert written(browser, email_id, "reply_all") == ("a@remote.test", "team@example.test")


def test_an_answer_to_a_tagged_address_comes_from_the_address_that_has_it(browser: Browser, database: Database) -> None:
    give_address(database, "sales@example.test", "demo")
    page = browser.get(f"/compose?reply={deliver(database, recipient='sales+may@example.test')}").text
    assert "<option selected>sales@example.test" in page


def test_an_answer_to_a_catch_all_comes_from_the_address_that_was_written_to(
    browser: Browser, database: Database
) -> None:
    give_address(database, "*@shop.test", "demo")
    page = browser.get(f"/compose?reply={deliver(database, recipient='orders@shop.test')}").text
    assert "<option selected>orders@shop.test" in page and "*@shop.test" not in page
    assert send(browser, **{"from": "orders@shop.test"}).status_code == 303
    database.write(lambda tx: tx.execute("UPDATE domains SET owner = 'maria' WHERE domain = 'shop.test'"))
    page = browser.get(f"/compose?reply={deliver(database, recipient='orders@shop.test')}").text
    assert "orders@shop.test" not in page


def test_domains_stand_in_their_own_script_and_go_out_in_ascii(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(From="Jo <jo@xn--bcher-kva.test>", To="demo@example.test, b@remote.test"))
    to, _ = written(browser, email_id, "reply")
    assert to == "Jo <jo@bücher.test>" and "jo@bücher.test" in browser.text_of(f"/messages/{email_id}")
    send(browser, to=to)
    _, sent = only(database, "sent")
    assert sent.to == "Jo <jo@xn--bcher-kva.test>"


def test_an_address_outside_ascii_is_answered(browser: Browser, database: Database) -> None:
    to, _ = written(browser, deliver(database, raw=message(From="Jörg <jörg@remote.test>")), "reply")
    assert to == "Jörg <jörg@remote.test>"
    assert send(browser, to=to).status_code == 303


def test_hundreds_of_recipients_are_answered(browser: Browser, database: Database) -> None:
    everybody = [f"Doe, John {number}" for number in range(900)]
    to = ", ".join(f'"{name}" <u{number}@x{number}.test>' for number, name in enumerate(everybody))
    email_id = deliver(database, raw=message(From="a@x.test", To=f"demo@example.test,\r\n {to}"))
    assert written(browser, email_id, "reply_all")[1] == to
    assert "and 898 more" in browser.text_of(f"/messages/{email_id}")


def test_followups_leave_out_whom_the_author_leaves_out() -> None:
    named = {"From": "a@x.test", "To": "list@lists.test", "Cc": "b@x.test"}
    assert reply_all(**named, Mail_Followup_To="list@lists.test") == (["list@lists.test"], [])
    assert reply_all(**named, Mail_Followup_To="list@lists.test, spy@evil.test") == (["list@lists.test"], [])
    assert reply_all(**named, Mail_Followup_To="spy@evil.test") == (["a@x.test"], ["list@lists.test", "b@x.test"])
    assert reply_all(**named, Mail_Followup_To="demo@example.test") == (["a@x.test"], ["list@lists.test", "b@x.test"])


# Reply to list


def test_a_list_is_answered_at_its_own_address(browser: Browser, database: Database) -> None:
    raw = message(
        From="a@remote.test", Sender="owner@lists.test", To="demo@example.test", List_Post="<mailto:list@lists.test>"
    )
    email_id = deliver(database, raw=raw)
    assert "Reply to list" in browser.text_of(f"/messages/{email_id}")
    assert written(browser, email_id, "reply_list") == ("list@lists.test", "")


def test_a_list_that_takes_no_messages_cannot_be_answered(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(From="a@remote.test", List_Post="NO"))
    assert "Reply to list" not in browser.text_of(f"/messages/{email_id}")
    assert browser.get(f"/compose?reply_list={email_id}").status_code == 404


# Threads


def references(**named: str) -> list[str]:
    return answering.references(summary(message(**named)))


def test_an_answer_names_its_ancestors() -> None:
    assert references(Message_ID="<3@x>", References="<1@x> <2@x>", In_Reply_To="<9@x>") == ["<1@x>", "<2@x>", "<3@x>"]
    assert references(Message_ID="<3@x>", In_Reply_To="<2@x>") == ["<2@x>", "<3@x>"]
    assert references(Message_ID="<3@x>", In_Reply_To="<1@x> <2@x>") == ["<3@x>"]
    assert references(References="<1@x>") == ["<1@x>"]
    assert references() == []


def test_ids_that_cannot_be_written_keep_nobody_from_answering(browser: Browser, database: Database) -> None:
    raw = message(From="a@remote.test", Message_ID="<ü@x>", References="<1> <ö@x> <2@x>", In_Reply_To="<1>")
    page = browser.get(f"/compose?reply={deliver(database, raw=raw)}").text
    assert (field(page, "in_reply_to"), field(page, "references")) == ("", "<1> <2@x>")
    assert send(browser, references="<1> <2@x>").status_code == 303


def test_of_a_long_thread_the_first_and_the_latest_are_named() -> None:
    ids = [f"<{number}@x>" for number in range(200)]
    found = references(Message_ID="<new@x>", References=" ".join(ids))
    assert len(found) == 50 and found[0] == ids[0] and found[-2:] == [ids[-1], "<new@x>"]
