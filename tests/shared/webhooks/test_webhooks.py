"""Webhooks: which URLs may be called, how calls are signed, and what the store keeps."""

from __future__ import annotations

import ipaddress

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.log import Secret
from onifast_shared.webhooks import signing, store, targets
from onifast_shared.webhooks.store import WaitingEvent, Webhook
from onifast_shared.webhooks.targets import TargetError, check_url

NOW = 1_795_000_000
HOUR, DAY = 3600, 86400
URL = "https://example.com/mail"


def made(database: Database, owner: str | None = "ann", *events: str, url: str = URL) -> Webhook:
    return database.write(lambda tx: store.create(tx, owner, url, events or store.EVENTS, NOW))


def current(database: Database, webhook: Webhook) -> Webhook:
    found = database.read(lambda tx: store.get(tx, webhook.id))
    assert found is not None
    return found


def add(database: Database, webhook: Webhook, *payloads: str) -> None:
    for payload in payloads:
        database.write(lambda tx, payload=payload: store.add_event(tx, webhook.id, payload, NOW))  # type: ignore[misc]


def take(
    database: Database, now: float = NOW, limit: int = 8, batch: int = 20
) -> list[tuple[Webhook, list[WaitingEvent]]]:
    return database.write(lambda tx: store.take(tx, now, 90, limit, batch))


# Targets


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://example.com",
        "https://example.com:8443/x?y=z",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
    ],
)
def test_users_may_name_https_urls_in_the_world(url: str) -> None:
    assert check_url(url, by_administrator=False) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "only https"),
        ("ftp://example.com/", "only https"),
        ("https://", "not a URL"),
        ("https:///path", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://example.com:99999/", "not a URL"),
        ("https://user:secret@example.com/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://exa mple.com/", "no spaces"),
        ("https://example.com/\r\nX: y", "ASCII"),
        ("https://bücher.example/", "ASCII"),
        ("https://example.com/" + "x" * 2000, "2000"),
        ("https://localhost/", "full domain name"),
        ("https://database/", "full domain name"),
        ("https://example.com:25/", "port"),
        ("https://127.0.0.1/", "public Internet"),
        ("https://10.0.0.1/", "public Internet"),
        ("https://169.254.169.254/latest/meta-data", "public Internet"),
        ("https://[::1]/", "public Internet"),
        ("https://[::ffff:10.0.0.1]/", "public Internet"),
        ("https://[fd00::1]/", "public Internet"),
    ],
)
def test_all_else_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        check_url(url, by_administrator=False)


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "https://intranet/", "http://127.0.0.1:8080/x", "http://localhost:9/"]
)
def test_administrators_may_stay_within_their_network(url: str) -> None:
    assert check_url(url, by_administrator=True) == url
    with pytest.raises(TargetError):
        check_url(url, by_administrator=False)


def test_plain_http_leaves_this_machine_for_nobody() -> None:
    with pytest.raises(TargetError, match="http to this machine"):
        check_url("http://10.0.0.1/", by_administrator=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:192.168.1.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1", "::7f00:1", "none",
        "3fff::1", "192.88.99.1", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "240.0.0.1", "2001:2::1", "2001:10::1",
        "2001:20::1",
        "2001:30::1", "2001:db8::1", "2002:a00:1::1", "2620:4f:8000::1", "5f00::1", "100::1", "100:0:0:1::1",
        "64:ff9b:1::a00:1", "::ffff:0:127.0.0.1", "fec0::1", "4000::1",
    ],
)  # fmt: skip
def test_what_only_this_server_could_reach_is_not_public(address: str) -> None:
    assert not targets.is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "192.0.1.1", "2001:200::1", "2a00:1450::1"]
)
def test_the_internet_at_large_is(address: str) -> None:
    assert targets.is_public(address)


@pytest.mark.parametrize(
    ("address", "passes"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("64:ff9b::a00:1", True), ("93.184.216.34", True),
        ("192.168.1.1", False), ("127.0.0.1", False), ("::1", False), ("64:ff9b:1::1", False), ("none", False),
    ],
)  # fmt: skip
def test_networks_that_are_named_pass_too(address: str, passes: bool) -> None:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("64:ff9b::/96")]
    assert targets.or_in(networks)(address, 443) is passes


@pytest.mark.parametrize(("port", "passes"), [(443, True), (8443, False)])
def test_this_machines_own_public_address_is_open_to_its_web_server_alone(
    monkeypatch: pytest.MonkeyPatch, port: int, passes: bool
) -> None:
    monkeypatch.setattr(targets, "is_public", lambda _: True)  # what this machine has here is its own, but not public
    assert targets.may_be_asked("127.0.0.1", port) is passes
    assert targets.may_be_asked("192.0.2.1", port)


# Signatures


def test_a_signature_is_the_one_that_the_specification_computes() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signing.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_are_long_and_different_and_print_as_stars(database: Database) -> None:
    one, other = made(database).secret, made(database).secret
    assert one.reveal() != other.reveal() and len(one.reveal()) == len("whsec_") + 44
    assert one.reveal() not in repr(made(database))


# The store


def test_an_owner_hears_of_his_own_mail_and_administrators_of_all(database: Database) -> None:
    anns, bens, ours = made(database, "ann"), made(database, "ben"), made(database, None)
    bounces = made(database, "ann", "bounced")

    def listeners(owner: str | None, event: str) -> list[int]:
        return database.read(lambda tx: store.listeners(tx, owner, event))

    assert listeners("ann", "bounced") == [anns.id, bounces.id, ours.id]
    assert listeners("ann", "delivered") == [anns.id, ours.id]
    assert listeners("ben", "deferred") == [bens.id, ours.id]
    assert listeners(None, "bounced") == [ours.id]


def test_an_owner_has_ten_at_the_most(database: Database) -> None:
    for _ in range(store.MOST_PER_OWNER):
        made(database)
    with pytest.raises(store.TooMany):
        made(database)
    made(database, "ben")


def test_foreign_webhooks_are_out_of_reach(database: Database) -> None:
    webhook = made(database)
    for owner in ("ben", None):
        assert not database.write(lambda tx, owner=owner: store.remove(tx, owner, webhook.id))  # type: ignore[misc]
        assert not database.write(lambda tx, owner=owner: store.enable(tx, owner, webhook.id))  # type: ignore[misc]
    assert database.write(lambda tx: store.remove(tx, "ann", webhook.id))
    assert database.read(lambda tx: store.list_for(tx, "ann")) == []


def test_what_waits_is_bounded_and_the_rest_is_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_WAITING", 2)
    webhook = made(database)
    add(database, webhook, "1", "2", "3")
    found = current(database, webhook)
    assert (found.waiting, found.dropped) == (2, 1)
    assert [event.payload for event in take(database)[0][1]] == ["1", "2"]


def test_what_is_taken_is_nobody_elses_until_the_lease_ends(database: Database) -> None:
    add(database, made(database), "1")
    assert take(database) and not take(database)
    assert take(database, NOW + 90)


def test_webhooks_take_turns(database: Database) -> None:
    first, second = made(database), made(database)
    add(database, first, "1", "2")
    add(database, second, "3", "4")
    served = []
    for now in (NOW, NOW + 1, NOW + 2):
        ((webhook, events),) = take(database, now, limit=1, batch=1)
        served.append(webhook.id)
        database.write(lambda tx, w=webhook, e=events[0], now=now: store.told(tx, w, e, now))  # type: ignore[misc]
        database.write(lambda tx, w=webhook, now=now: store.release(tx, w.id, now))  # type: ignore[misc]
    assert served == [first.id, second.id, first.id]


def test_an_event_is_tried_for_a_day_and_then_dropped(database: Database) -> None:
    add(database, made(database), "1")
    now, attempts = NOW, 0
    while taken := take(database, now):
        ((webhook, (event,)),) = taken
        attempts += 1
        assert not database.write(lambda tx, w=webhook, e=event, now=now: store.failed(tx, w, e, "It broke.", now))  # type: ignore[misc]
        database.write(lambda tx, w=webhook: store.release(tx, w.id, 0))  # type: ignore[misc]
        now += store.RETRY_AFTER[min(attempts, len(store.RETRY_AFTER)) - 1]
    assert attempts == len(store.RETRY_AFTER) + 1
    assert 20 * HOUR < sum(store.RETRY_AFTER) < 30 * HOUR
    found = current(database, webhook)
    assert (found.waiting, found.dropped, found.problem, found.failing_since_ts) == (0, 1, "It broke.", NOW)


def test_a_success_ends_the_trouble(database: Database) -> None:
    webhook = made(database)
    add(database, webhook, "1")
    ((_, (event,)),) = take(database)
    database.write(lambda tx: store.failed(tx, webhook, event, "It broke.", NOW))
    database.write(lambda tx: store.told(tx, webhook, event, NOW + 5))
    found = current(database, webhook)
    assert (found.problem, found.failing_since_ts, found.told_ts, found.waiting) == ("", None, NOW + 5, 0)
    assert not database.read(store.anything_waits)


def test_two_days_of_failures_disable_a_webhook_until_somebody_enables_it(database: Database) -> None:
    webhook = made(database)
    add(database, webhook, "1", "2")

    def fail(tx: Connection, now: float) -> bool:
        found = store.get(tx, webhook.id)
        assert found is not None
        return store.failed(tx, found, WaitingEvent(1, "msg", "1", 0), "It broke.", now)

    assert not database.write(lambda tx: fail(tx, NOW))
    assert not database.write(lambda tx: fail(tx, NOW + 2 * DAY - 1))
    assert database.write(lambda tx: fail(tx, NOW + 2 * DAY))
    found = current(database, webhook)
    assert found.disabled_ts == NOW + 2 * DAY and found.problem.endswith("It broke.")
    assert (found.waiting, found.dropped) == (0, 2)
    assert database.read(lambda tx: store.listeners(tx, "ann", "bounced")) == []
    database.write(lambda tx: store.enable(tx, "ann", webhook.id))
    assert database.read(lambda tx: store.listeners(tx, "ann", "bounced")) == [webhook.id]
