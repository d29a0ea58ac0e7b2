"""What users chose for themselves in the webmail: the store of `user_preferences`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings

UNDO_CHOICES = (0, 5, 10, 20, 30)
"""The seconds that a user may have their messages wait, so that they can call them back."""


def undo_seconds(tx: Connection, username: str, settings: Settings) -> int:
    """How long a user's messages from the webmail wait: as they chose, or else as the installation has it."""
    own = tx.execute("SELECT undo_seconds FROM user_preferences WHERE username = ?", (username,)).get
    return int(settings.undo_send) if own is None else max(0, int(own))


def put_undo_seconds(tx: Connection, username: str, seconds: int) -> None:
    """Sets how long a user's messages wait, in seconds."""
    tx.execute(
        "INSERT INTO user_preferences (username, undo_seconds) VALUES (?, ?)"
        " ON CONFLICT (username) DO UPDATE SET undo_seconds = excluded.undo_seconds",
        (username, seconds),
    )


RECEIPTS = ("ask", "always", "never")
"""What becomes of requests to tell the sender that a message was read (RFC 8098)."""

ReceiptChoice = Literal["ask", "always", "never"]


@dataclass(frozen=True)
class WritingChoice:
    """How a user writes: plain text or with looks, in which language (BCP 47, "" for the browser's) unless they choose
    otherwise for a message; and whether those who ask are told that their mail was read."""

    plain: bool = False
    language: str = ""
    receipts: ReceiptChoice = "ask"


def writing(tx: Connection, username: str) -> WritingChoice:
    """How a user writes."""
    sql = """
        SELECT coalesce(writes_plain, 0), coalesce(writes_language, ''), receipts
        FROM user_preferences WHERE username = ?
    """
    row = tx.execute(sql, (username,)).fetchone()
    if row is None:
        return WritingChoice()
    return WritingChoice(bool(row[0]), str(row[1]), row[2] if row[2] in RECEIPTS else "ask")


def put_writing(tx: Connection, username: str, choice: WritingChoice) -> None:
    """Sets how a user writes."""
    tx.execute(
        "INSERT INTO user_preferences (username, writes_plain, writes_language, receipts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (username) DO UPDATE SET writes_plain = excluded.writes_plain,"
        " writes_language = excluded.writes_language, receipts = excluded.receipts",
        (username, int(choice.plain), choice.language or None, choice.receipts),
    )


DIGESTS = ("off", "daily", "weekly")
"""How often a user can be told by mail of their junk and of what was refused."""

Digest = Literal["off", "daily", "weekly"]


@dataclass(frozen=True)
class JunkChoice:
    """Whether a user wants junk to be learned and looked for, and how often they are told of it."""

    filters: bool = True
    digest: Digest = "off"


def junk(tx: Connection, username: str) -> JunkChoice:
    """What a user chose about junk."""
    sql = "SELECT coalesce(filters_junk, 1), junk_digest FROM user_preferences WHERE username = ?"
    row = tx.execute(sql, (username,)).fetchone()
    if row is None:
        return JunkChoice()
    return JunkChoice(bool(row[0]), row[1] if row[1] in DIGESTS else "off")


def filters_junk(tx: Connection, username: str) -> bool:
    """Whether a user wants junk to be learned and looked for."""
    return junk(tx, username).filters


def put_junk(tx: Connection, username: str, choice: JunkChoice, now: float) -> None:
    """Sets what a user wants about junk. A digest tells of what comes from now on."""
    if choice == junk(tx, username):
        return
    tx.execute(
        "INSERT INTO user_preferences (username, filters_junk, junk_digest, digested_ts) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (username) DO UPDATE SET filters_junk = excluded.filters_junk,"
        " digested_ts = CASE WHEN junk_digest IS NULL THEN excluded.digested_ts ELSE digested_ts END,"
        " junk_digest = excluded.junk_digest",
        (username, int(choice.filters), None if choice.digest == "off" else choice.digest, int(now)),
    )


def keeps_unknown_apart(tx: Connection, username: str) -> bool:
    """Whether a user wants the mail of unknown senders kept apart."""
    sql = "SELECT keeps_unknown_apart FROM user_preferences WHERE username = ?"
    return bool(tx.execute(sql, (username,)).get)


def put_keeps_unknown_apart(tx: Connection, username: str, keeps: bool) -> None:
    """Sets whether the mail of unknown senders is kept apart, from now on."""
    tx.execute(
        "INSERT INTO user_preferences (username, keeps_unknown_apart) VALUES (?, ?)"
        " ON CONFLICT (username) DO UPDATE SET keeps_unknown_apart = excluded.keeps_unknown_apart",
        (username, int(keeps)),
    )


def blocked_to_trash(tx: Connection, username: str) -> bool:
    """Whether a user wants the mail of blocked senders in trash, and not in junk."""
    sql = "SELECT blocked_to_trash FROM user_preferences WHERE username = ?"
    return bool(tx.execute(sql, (username,)).get)


def put_blocked_to_trash(tx: Connection, username: str, to_trash: bool) -> None:
    """Sets where the mail of blocked senders goes, from now on."""
    tx.execute(
        "INSERT INTO user_preferences (username, blocked_to_trash) VALUES (?, ?)"
        " ON CONFLICT (username) DO UPDATE SET blocked_to_trash = excluded.blocked_to_trash",
        (username, int(to_trash)),
    )


def unknown_folder(tx: Connection, username: str) -> int | None:
    """The number of the own folder for mail of unknown senders, which may be deleted by now; None for none."""
    found = tx.execute("SELECT unknown_folder_id FROM user_preferences WHERE username = ?", (username,)).get
    return None if found is None else int(found)


def put_unknown_folder(tx: Connection, username: str, label_id: int) -> None:
    """Notes which own folder mail of unknown senders goes into."""
    tx.execute(
        "INSERT INTO user_preferences (username, unknown_folder_id) VALUES (?, ?)"
        " ON CONFLICT (username) DO UPDATE SET unknown_folder_id = excluded.unknown_folder_id",
        (username, label_id),
    )


@dataclass(frozen=True)
class RegionalChoice:
    """A user's language (BCP 47) and time zone (IANA name); "" for what the browser says."""

    language: str = ""
    time_zone: str = ""


def regional(tx: Connection, username: str) -> RegionalChoice:
    """A user's language and time zone."""
    sql = "SELECT coalesce(language, ''), coalesce(time_zone, '') FROM user_preferences WHERE username = ?"
    row = tx.execute(sql, (username,)).fetchone()
    return RegionalChoice(str(row[0]), str(row[1])) if row else RegionalChoice()


def put_regional(tx: Connection, username: str, choice: RegionalChoice) -> None:
    """Sets a user's language and time zone."""
    tx.execute(
        "INSERT INTO user_preferences (username, language, time_zone) VALUES (?, ?, ?)"
        " ON CONFLICT (username) DO UPDATE SET language = excluded.language, time_zone = excluded.time_zone",
        (username, choice.language or None, choice.time_zone or None),
    )


DENSITIES = ("comfortable", "normal", "compact")
PANES = ("none", "right", "below")
SWIPES = ("archive", "trash", "read", "snooze", "none")


@dataclass(frozen=True)
class ListChoice:
    """How a user wants lists of messages.

    With `single_lines` each message has one, else each conversation. `pane` is where a message is read beside the
    list; a swipe to the left or right on a phone does what `swipe_left` and `swipe_right` say.
    """

    single_lines: bool = False
    density: str = "normal"
    pane: str = "none"
    swipe_left: str = "trash"
    swipe_right: str = "archive"


def lists(tx: Connection, username: str) -> ListChoice:
    """How a user wants lists."""
    sql = """
        SELECT single_lines, density, reading_pane, swipe_left, swipe_right FROM user_preferences WHERE username = ?
    """
    row = tx.execute(sql, (username,)).fetchone()
    usual = ListChoice()
    if row is None:
        return usual
    return ListChoice(
        bool(row[0]),
        _one_of(row[1], DENSITIES, usual.density),
        _one_of(row[2], PANES, usual.pane),
        _one_of(row[3], SWIPES, usual.swipe_left),
        _one_of(row[4], SWIPES, usual.swipe_right),
    )


def put_lists(tx: Connection, username: str, choice: ListChoice) -> None:
    """Sets how a user wants lists."""
    tx.execute(
        "INSERT INTO user_preferences (username, single_lines, density, reading_pane, swipe_left, swipe_right)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (username) DO UPDATE SET single_lines = excluded.single_lines,"
        " density = excluded.density, reading_pane = excluded.reading_pane, swipe_left = excluded.swipe_left,"
        " swipe_right = excluded.swipe_right",
        (username, int(choice.single_lines), choice.density, choice.pane, choice.swipe_left, choice.swipe_right),
    )


def _one_of(value: object, known: tuple[str, ...], usual: str) -> str:
    return value if isinstance(value, str) and value in known else usual


THEMES = ("system", "light", "dark")
CONTRASTS = ("system", "more")


@dataclass(frozen=True)
class AppearanceChoice:
    """The colours that a user wants, and how far apart they are: as their system has them, or always the same."""

    theme: str = "system"
    contrast: str = "system"


def appearance(tx: Connection, username: str) -> AppearanceChoice:
    """The colours that a user wants."""
    row = tx.execute("SELECT theme, contrast FROM user_preferences WHERE username = ?", (username,)).fetchone()
    if row is None:
        return AppearanceChoice()
    return AppearanceChoice(_one_of(row[0], THEMES, "system"), _one_of(row[1], CONTRASTS, "system"))


def put_appearance(tx: Connection, username: str, choice: AppearanceChoice) -> None:
    """Sets the colours that a user wants."""
    tx.execute(
        "INSERT INTO user_preferences (username, theme, contrast) VALUES (?, ?, ?)"
        " ON CONFLICT (username) DO UPDATE SET theme = excluded.theme, contrast = excluded.contrast",
        (username, choice.theme, choice.contrast),
    )


def tour_done(tx: Connection, username: str) -> bool:
    """Whether a user has taken the tour, or wants none."""
    return bool(tx.execute("SELECT tour_done FROM user_preferences WHERE username = ?", (username,)).get)


def put_tour_done(tx: Connection, username: str) -> None:
    """Notes that a user is to be shown the tour no more."""
    tx.execute(
        "INSERT INTO user_preferences (username, tour_done) VALUES (?, 1)"
        " ON CONFLICT (username) DO UPDATE SET tour_done = 1",
        (username,),
    )
