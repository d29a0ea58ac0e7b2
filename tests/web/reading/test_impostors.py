"""What the reader is told of senders that may be others: by the API and by the webmail."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from web.support import Browser, Panel, deliver, index

RECEIVED = 1_790_000_000


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """The panel acting for demo."""
    return panel.acting_for("demo")


def know(database: Database, address: str, name: str = "", *, since: int = 1000, written: bool = True) -> None:
    def add(tx: Connection) -> None:
        sql = "INSERT INTO correspondents VALUES ('demo', ?, ?, ?, ?, ?, ?)"
        domain = address.rpartition("@")[2]
        tx.execute(sql, (address, domain, name, since, since if written else None, since))

    database.write(add)


def warned(demo: Panel, database: Database, sender: str, **more: Any) -> list[str]:
    raw = f"From: {sender}\r\nTo: demo@example.test\r\nSubject: Pay\r\n\r\nNow.\r\n".encode()
    email_id = deliver(database, raw=raw, **({"received": RECEIVED} | more))
    index(database)
    found: list[str] = demo.get("/api/mail/read", id=email_id).json["warnings"]  # type: ignore[index]
    return found


def encoded(text: str) -> str:
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


IS_ADDRESS = "The sender’s name is the address ceo@bank.test, but the message comes from x@evil.test."
HAS_ADDRESS = IS_ADDRESS.replace(" is the", " contains the")


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ('"ceo@bank.test"', IS_ADDRESS),
        (encoded("ceo@bank.test"), IS_ADDRESS),
        (encoded("ceo＠bank.test"), IS_ADDRESS),
        (encoded("ceo@bank．test"), IS_ADDRESS),
        (encoded("ceo@bank。test"), IS_ADDRESS),
        (encoded("ceo﹫bank.test"), IS_ADDRESS),
        ('"ceo @ bank.test"', IS_ADDRESS),
        (f"{encoded('ceo@ba')} {encoded('nk.test')}", IS_ADDRESS),
        ('"The Boss <ceo@bank.test>"', HAS_ADDRESS),
        ('"The Boss (ceo@bank.test)"', HAS_ADDRESS),
        (encoded("'ceo@bank.test' via Bank"), HAS_ADDRESS),
    ],
)
def test_a_name_that_is_an_address_of_another_domain(demo: Panel, database: Database, name: str, warning: str) -> None:
    assert warned(demo, database, f"{name} <x@evil.test>") == [warning]


@pytest.mark.parametrize(
    "before", [" ".join([encoded(" " * 40)] * 12), "a" * 401, " ".join([encoded("\u3000" * 14)] * 12)]
)
def test_an_address_behind_much_else_is_found(demo: Panel, database: Database, before: str) -> None:
    [warning] = warned(demo, database, f"{before} {encoded(' ceo@bank.test')} <x@evil.test>")
    assert warning.startswith("The sender’s name ") and "ceo@bank.test" in warning


def test_blanks_that_are_no_space_conceal(demo: Panel, database: Database) -> None:
    name = encoded("\N{BRAILLE PATTERN BLANK}" * 9 + "ceo")
    assert warned(demo, database, f"{name} <x@evil.test>") == ["The sender’s name has characters that cannot be seen."]


def test_an_address_in_quotes_before_another_domain(demo: Panel, database: Database) -> None:
    assert warned(demo, database, '"ceo@bank.test"@evil.test') == [
        'The sender’s address contains the address ceo@bank.test, but the message comes from "ceo@bank.test"@evil.test.'
    ]


def test_a_comment_stands_for_a_name(demo: Panel, database: Database) -> None:
    assert warned(demo, database, "x@evil.test (ceo@bank.test)") == [IS_ADDRESS]


@pytest.mark.parametrize(
    "sender",
    [
        '"x@evil.test" <x@evil.test>',
        '"info@shop.evil.test" <x@mail.evil.test>',
        "Ann @ Home <x@evil.test>",
        "root@web1 <root@web1.evil.test>",
        "Müller GmbH & Co. KG <x@evil.test>",
        f"{encoded('שלום')} <x@evil.test>",
        f"{encoded('Ann ❤️')} <x@evil.test>",
    ],
)
def test_names_as_people_have_them_are_no_warning(demo: Panel, database: Database, sender: str) -> None:
    assert warned(demo, database, sender) == []


@pytest.mark.parametrize("name", ["ba\u202etset.kn", "\u2066Boss\u2069"])
def test_a_name_that_turns_the_order_is_marked(demo: Panel, database: Database, name: str) -> None:
    found = warned(demo, database, f"{encoded(name)} <x@evil.test>")
    assert found == ["The sender’s name has characters that change the order in which it is shown."]


def test_a_name_with_what_nobody_sees_is_marked_and_no_warning_holds_it(demo: Panel, database: Database) -> None:
    name = encoded("ceo@ba\u200bnk.test")
    found = warned(demo, database, f"{name} <x@evil.test>")
    assert found == [IS_ADDRESS, "The sender’s name has characters that cannot be seen."]


def test_every_author_is_looked_at(demo: Panel, database: Database) -> None:
    found = warned(demo, database, 'Ann <a@evil.test>, "ceo@bank.test" <x@evil.test>\r\nFrom: x@paypa1.com')
    assert found[0] == IS_ADDRESS and "paypa1.com looks like paypal.com" in found[1]


@pytest.mark.parametrize("head", [b"", b"From: nobody\r\n", b"Sender: a@b.test\r\n", b"From: a@b.test\0\r\n"])
def test_a_message_without_an_author_says_so(demo: Panel, database: Database, head: bytes) -> None:
    email_id = deliver(database, raw=head + b"Subject: x\r\n\r\nx\r\n", authentication={"dmarc": "permerror"})
    index(database)
    assert demo.get("/api/mail/read", id=email_id).json["warnings"] == [  # type: ignore[index]
        "The message does not say who it is from."
    ]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "x@paypa1.com",
            "The sender’s domain paypa1.com looks like paypal.com, a well-known domain, but is another one.",
        ),
        (
            "x@pаypal.com",
            "The sender’s domain xn--pypal-4ve.com (written pаypal.com) looks like paypal.com, a well-known domain,"
            " but is another one.",
        ),
        ("x@example.tset", ""),
        (
            "x@exarnple.test",
            "The sender’s domain exarnple.test looks like example.test, your own domain, but is another one.",
        ),
    ],
)
def test_a_look_alike_of_what_everybody_knows(demo: Panel, database: Database, address: str, told: str) -> None:
    assert warned(demo, database, address) == ([told] if told else [])


def test_a_look_alike_of_a_correspondent(demo: Panel, database: Database) -> None:
    know(database, "boss@company.test")
    for domain in ("cornpany.test", "compamy.test", "company.test.evil.test"):
        (told,) = warned(demo, database, f"Boss <boss@{domain}>")
        assert told.startswith(f"The sender’s domain {domain} looks like company.test, a domain that you have had mail")
    assert warned(demo, database, "Other <other@company.test>") == []
    assert warned(demo, database, "Other <other@mail.company.test>") == []


def test_who_was_known_first_is_the_model(demo: Panel, database: Database) -> None:
    know(database, "boss@company.test", since=1000, written=False)
    know(database, "boss@cornpany.test", since=2000, written=False)
    assert warned(demo, database, "boss@company.test") == []
    assert len(warned(demo, database, "boss@cornpany.test")) == 1


def test_what_became_known_later_is_no_model(demo: Panel, database: Database) -> None:
    know(database, "boss@company.test", since=RECEIVED + 1)
    assert warned(demo, database, "boss@cornpany.test") == []


def test_whom_the_reader_writes_to_is_no_slip_of_a_well_known_name(demo: Panel, database: Database) -> None:
    assert len(warned(demo, database, "x@bookings.com")) == 1
    know(database, "y@bookings.com")
    assert warned(demo, database, "x@bookings.com") == []
    know(database, "y@paypa1.com")
    assert len(warned(demo, database, "x@paypa1.com")) == 1


def test_an_address_of_the_same_provider_that_looks_alike(demo: Panel, database: Database) -> None:
    know(database, "bill.jones@gmail.com")
    (told,) = warned(demo, database, "bi11.jones@gmail.com")
    assert told == "The sender’s address looks like bill.jones@gmail.com, which you know, but is another one."
    assert warned(demo, database, "bill.jonas@gmail.com") == []


def test_the_name_of_a_correspondent_at_another_address_until_that_is_known(demo: Panel, database: Database) -> None:
    know(database, "boss@company.test", "Big Boss")
    (told,) = warned(demo, database, "Big  Boss <boss@freemail.test>")
    assert told == "The sender has the name of boss@company.test, whom you know, but writes from another address."
    know(database, "boss@freemail.test", "Big Boss", since=2000, written=False)
    assert warned(demo, database, "Big Boss <boss@freemail.test>") == []
    assert warned(demo, database, "Boss <boss@other.test>") == []


def test_correspondents_are_their_own_users(demo: Panel, panel: Panel, database: Database) -> None:
    know(database, "boss@company.test")
    database.write(lambda tx: tx.execute("UPDATE correspondents SET owner = 'maria'"))
    assert warned(demo, database, "boss@cornpany.test") == []


def test_what_the_reader_wrote_himself_has_no_warnings(demo: Panel, database: Database) -> None:
    assert warned(demo, database, '"ceo@bank.test" <demo@example.test>', folder="sent") == []


def test_the_list_has_the_warnings_too(demo: Panel, database: Database) -> None:
    warned(demo, database, '"ceo@bank.test" <x@evil.test>')
    assert [row["warnings"] for row in demo.get("/api/mail/list").json["emails"]] == [[IS_ADDRESS]]  # type: ignore[index]


def test_the_page_shows_them_in_words_and_escaped(browser: Browser, demo: Panel, database: Database) -> None:
    warned(demo, database, f"{encoded('<script>ceo@bank.test</script>')} <x@evil.test>")
    listed = browser.text_of("/folders/inbox")
    assert "Check sender" in listed
    email_id = demo.get("/api/mail/list").json["emails"][0]["id"]  # type: ignore[index]
    page = browser.get(f"/messages/{email_id}").text
    assert "Be careful with this message" in page and "<script>ceo" not in page
    assert "contains the address ceo@bank.test, but the message comes from x@evil.test." in page


@pytest.mark.parametrize(("name", "kind"), [("Ann", "good"), ('"ceo@bank.test"', "unknown")])
def test_a_proven_domain_is_no_good_news_beside_a_warning(
    browser: Browser, demo: Panel, database: Database, name: str, kind: str
) -> None:
    warned(demo, database, f"{name} <x@evil.test>", authentication={"dmarc": "pass"})
    email_id = demo.get("/api/mail/list").json["emails"][0]["id"]  # type: ignore[index]
    assert f'class="verdict {kind}"' in browser.get(f"/messages/{email_id}").text


def test_further_domains_can_be_well_known(
    change: Callable[..., FlaskClient], settings: Settings, database: Database
) -> None:
    app = change(well_known_domains=("Savings-Bank.test",))
    demo = Panel(app, settings.panel_token_path.read_text().strip(), "demo")
    (told,) = warned(demo, database, "x@savings-banc.test")
    assert "looks like savings-bank.test, a well-known domain" in told
