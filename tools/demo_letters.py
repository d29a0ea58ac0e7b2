"""The demo user's mail of the last three weeks: what people write to each other, with something to try in each.

It is told as it lay in the mailbox: conversations, lists, languages, files. Everybody in it is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from onifast_shared.message.compose import Draft, OutgoingAttachment, build
from onifast_shared.message.parsing import summary
from onifast_shared.values.address import Address

from tools import demo_files
from tools.demo_mail import DemoMessage

_ZOE, _MAX = "Zoë Müller <zoe@remote.example>", "Max Hill <max@remote.example>"
_ANN, _BAKERY = "Ann Okafor <ann@remote.example>", "River Bakery <orders@bakery.example>"
_GARDENERS = "Gardeners <gardeners@lists.garden.example>"
_STREET = (
    (
        "Ann Okafor <ann@remote.example>",
        "Shall we have the street party on the 14th? I can ask for the road to be closed.",
    ),
    ("Max Hill <max@remote.example>", "The 14th is fine. I bring the long tables from the club."),
    ("Zoë Müller <zoe@remote.example>", "Count us in. We make potato salad, twice as much as last year."),
    ("Ravi Nair <ravi@other.example>", "I have a grill and two bags of coal. Who brings something to put on it?"),
    ("Lena Wolf <lena@other.example>", "Sausages from the butcher on the corner, forty, and some without meat."),
    ("Demo", "I bring lemonade and cups. And the lights from the cellar, if somebody has a ladder."),
    ("Max Hill <max@remote.example>", "Ladder: yes."),
    ("Tomasz Zając <tomasz@other.example>", "My sister plays the accordion. She says yes if there is cake."),
    ("Ann Okafor <ann@remote.example>", "There is cake. There is always cake."),
    ("Ravi Nair <ravi@other.example>", "What if it rains?"),
    ("Lena Wolf <lena@other.example>", "The bakery lets us have its yard; I asked this morning."),
    ("Demo", "Then nothing can go wrong. I put the list on the door."),
)
"""Who wrote what in the long conversation, oldest first."""

_PLAN = """\
Hello,

here is the plan for moving the shop to the new machine, and two pictures of
where it will stand. Have a look at the last page before we talk.

Try here: the files open in the browser, and can be saved as one archive.

Zoë
"""
_PLAN_ANSWER = """\
Thank you, that looks good. Two questions:

1. When do the old addresses stop working?
2. Who tells the customers?

Demo
"""
_PLAN_ANSWERED = """\
> 1. When do the old addresses stop working?

Not at all: mail to them is forwarded for a year.

> 2. Who tells the customers?

Max does. I have put him in copy.

--
Zoë Müller
River Street Shops
"""
_PLAN_MAX = """\
I write to them on Monday. This conversation is one row in the list, with how
many messages it has; what you have read is folded, and so are quotes.

Max
"""
_ORDER = """\
<!doctype html>
<html><body style="font-family: sans-serif; color: #2b2b2b">
<h2 style="color: #8a3b12">Thank you for your order</h2>
<table cellpadding="6" style="border-collapse: collapse">
<tr style="background: #f3ede2"><th align="left">What</th><th align="right">Price</th></tr>
<tr><td>Rye with caraway, two loaves</td><td align="right">8.40</td></tr>
<tr><td>Walnut and honey</td><td align="right">5.10</td></tr>
<tr><td><b>Together</b></td><td align="right"><b>13.50</b></td></tr>
</table>
<p>The receipt is attached. It lies in the folder <i>Receipts</i>, where you may drag more of its kind.</p>
</body></html>
"""
_LIST = (
    ("Clara Duarte <clara@garden.example>", "[gardeners] Which tomatoes outside?",
     "Last year mine went brown in August. Which ones do you grow without a roof?\n\nClara\n"),
    ("Jon Berg <jon@garden.example>", "Re: [gardeners] Which tomatoes outside?",
     "> Which ones do you grow without a roof?\n\nThe small ones: they are ripe before the wet days come. And never"
     " water\nthe leaves.\n\nJon\n"),
    ("Clara Duarte <clara@garden.example>", "Re: [gardeners] Which tomatoes outside?",
     "Thank you! This came by a mailing list: you may answer its author or the list,\nleave it with one click, or keep"
     " this conversation quiet (Mute).\n\nClara\n"),
)  # fmt: skip
_HEBREW = """\
שלום,

תודה על התמונות מהקיץ! הטקסט הזה כתוב מימין לשמאל, וגם הכתובת demo@example.test
והמספר 14 עומדים בו במקומם.

נועה
"""
_ARABIC = """\
مرحبا،

هل نلتقي يوم الخميس الساعة 10:00 أمام المخبز؟

ليلى
"""
_JAPANESE = """\
こんにちは。

会議の資料をお送りします。検索では「会議」でも「資料」でも見つかります。

田中 花子
"""
_GERMAN = """\
Liebe Nachbarn,

am Samstag räumen wir den Hof auf. Es gibt heißen Kaffee und süße Brötchen.
Wer später kommt, bringt bitte einen Besen mit.

Jürgen Weiß
"""
_CODE = """\
Your sign-in code is

    482 913

It is good for ten minutes. Nobody from here will ever ask you for it.
"""
_QUOTES = """\
I found our old letter:

> > Do you still have the key of the boat?
>
> Yes, it hangs behind the door.

It still does. Quotes are folded; open them by a click.
"""
_LINKS = """\
The maps: https://maps.example/river?from=bridge&to=mill

Things that look like links and are none of ours: www.boats.example, and
mail to captain@boats.example. A click asks nobody but the site itself, and it
does not learn from which mailbox you come.
"""
_KEYS = """\
Most things here have a key, as in other mail programs:

    j k      next and previous        e   archive
    o u      open, back to the list   #   trash
    r a f    answer, all, forward     z   undo
    s l v    star, label, move        ?   all of them

On a phone, swipe a row instead.
"""
_SEARCH = """\
Search finds words in all folders, and knows some questions:

    from:zoe has:attachment
    in:receipts older_than:1y
    subject:"street party" -from:max
    is:unread larger:1M

Half a word is enough while you type.
"""
_VOICE = "A short message for you: the file is a sound, and plays here.\n"
_FORWARDED = "The note that you asked for is attached as a message of its own; open it, and answer its writer.\n"
_NOTE = "The boat is tied up at the second bridge, not at the first one. Mind the wet steps.\n"
_CARD = "Her address, for your contacts: the card can be taken up there.\n"
_DRAFT = "Dear all,\n\nthis one is not finished. It was kept while it was written, and waits in Drafts.\n"
_OLD = "The invoice for the hall. Paid in spring; it can stay in the archive, where search finds it.\n"
_TRASHED = "You have won! This lies in the trash, which is emptied in one go.\n"
_JUNK = "Cheap watches, today alone. Junk teaches the filter: say “Not junk” where it was wrong.\n"


@dataclass(frozen=True)
class _Letters:
    """What all letters need: for whom they are, whose server writes them down, and when that is."""

    address: Address
    hostname: str
    now: datetime

    @property
    def me(self) -> str:
        """The demo user, as others write to them."""
        return f"Demo <{self.address}>"

    def before(self, *, days: float = 0, hours: float = 0) -> datetime:
        """A moment in the past."""
        return self.now - timedelta(days=days, hours=hours)

    def made(
        self, draft: Draft, *, folder: str = "", label: str = "", extra: Sequence[str] = (), is_read: bool = True,
        is_starred: bool = False,
    ) -> DemoMessage:  # fmt: skip
        """The letter as it lies in a folder: in sent where the demo user wrote it, else in the inbox."""
        raw = "".join(f"{line}\r\n" for line in extra).encode("ascii") + build(draft, self.hostname)
        is_ours = draft.from_ == self.me
        folder = folder or ("sent" if is_ours else "inbox")
        return DemoMessage(
            raw, draft.from_.rpartition("<")[2].rstrip(">"), folder, label, is_starred, is_read, draft.date,
            recipients=", ".join([*draft.to, *draft.cc]) if is_ours else str(self.address),
        )  # fmt: skip

    def thread(self, drafts: Sequence[Draft], **kept: str | bool) -> Iterator[DemoMessage]:
        """Letters of which each answers the one before; the last may be unread."""
        references = list[str]()
        for number, draft in enumerate(drafts):
            answering = replace(draft, in_reply_to=references[-1] if references else None, references=list(references))
            last = number == len(drafts) - 1 and draft.from_ != self.me
            letter = self.made(answering, is_read=not last, **kept)  # type: ignore[arg-type]
            references.append(summary(letter.raw).message_id)
            yield letter


def earlier(address: Address, hostname: str, now: datetime) -> list[DemoMessage]:
    """All of it, in whatever order; each message says when it came."""
    letters = _Letters(address, hostname, now)
    return [*_conversations(letters), *_singles(letters), *_put_away(letters)]


def _conversations(letters: _Letters) -> Iterator[DemoMessage]:
    plan, photo = "Moving the shop", demo_files.picture
    attachments = [
        OutgoingAttachment("Plan.pdf", "application/pdf", demo_files.page("Moving the shop", [
            "1. Copy the pages to the new machine", "2. Send mail by the new one as well",
            "3. Point the names there", "4. Keep the old one for a month",
        ])),
        OutgoingAttachment("front.png", "image/png", photo(480, 320, (74, 144, 194), (230, 240, 245))),
        OutgoingAttachment("yard.png", "image/png", photo(480, 320, (40, 52, 92), (240, 150, 90))),
    ]  # fmt: skip
    me, at = letters.me, letters.before
    yield from letters.thread(
        [
            Draft(_ZOE, [me], plan, text=_PLAN, attachments=attachments, date=at(days=5)),
            Draft(me, [_ZOE], f"Re: {plan}", text=_PLAN_ANSWER, date=at(days=4, hours=20)),
            Draft(_ZOE, [me], f"Re: {plan}", text=_PLAN_ANSWERED, cc=[_MAX], date=at(days=4, hours=3)),
            Draft(_MAX, [me, _ZOE], f"Re: {plan}", text=_PLAN_MAX, date=at(days=3)),
        ],
    )
    party = "Street party: who brings what?"
    everybody = [me, *dict.fromkeys(writer for writer, _ in _STREET if writer != "Demo")]
    street = [
        Draft(
            me if writer == "Demo" else writer,
            [each for each in everybody if each not in (me if writer == "Demo" else writer,)],
            party if number == 0 else f"Re: {party}",
            text=f"{text}\n",
            date=at(days=9 - number / 2),
        )
        for number, (writer, text) in enumerate(_STREET)
    ]
    yield from letters.thread(street)
    extra = (
        "List-Id: Gardeners of the river <gardeners.lists.garden.example>",
        "List-Post: <mailto:gardeners@lists.garden.example>",
        "List-Unsubscribe: <mailto:gardeners-leave@lists.garden.example>",
        "Precedence: list",
    )
    tomatoes = [
        Draft(writer, [_GARDENERS], subject, text=text, date=at(days=7 - number))
        for number, (writer, subject, text) in enumerate(_LIST)
    ]
    yield from letters.thread(tomatoes, label="Reading", extra=extra)  # type: ignore[arg-type]


def _singles(letters: _Letters) -> Iterator[DemoMessage]:
    me, at, made = letters.me, letters.before, letters.made
    receipt = OutgoingAttachment("Receipt 1043.pdf", "application/pdf", demo_files.page("Receipt 1043", [
        "Rye with caraway, two loaves   8.40", "Walnut and honey   5.10", "Together   13.50",
    ]))  # fmt: skip
    yield made(
        Draft(_BAKERY, [me], "Your order 1043", html=_ORDER, attachments=[receipt], date=at(days=2)),
        folder="archive", label="Receipts",
    )  # fmt: skip
    summer = [
        OutgoingAttachment(f"summer-{number}.png", "image/png", demo_files.picture(420, 280, *colours))
        for number, colours in enumerate((
            ((90, 160, 210), (250, 240, 200)), ((30, 40, 90), (220, 120, 110)), ((120, 190, 170), (250, 250, 240)),
        ), 1)
    ]  # fmt: skip
    yield made(
        Draft(_MAX, [me], "Pictures of the lake", text="Three of many.\n\nMax\n", attachments=summer, date=at(days=6)),
        is_starred=True,
    )
    yield made(Draft("נועה לוי <noa@rtl.example>", [me], "תמונות מהקיץ", text=_HEBREW, date=at(days=8)), is_read=False)
    yield made(Draft("ليلى حداد <layla@rtl.example>", [me], "يوم الخميس", text=_ARABIC, date=at(days=8, hours=4)))
    yield made(Draft("田中 花子 <hanako@jp.example>", [me], "会議の資料", text=_JAPANESE, date=at(days=10)))
    yield made(Draft("Jürgen Weiß <juergen@hof.example>", [me], "Hof aufräumen", text=_GERMAN, date=at(days=11)))
    yield made(Draft("Sign-in <no-reply@shop.example>", [me], "Your code", text=_CODE, date=at(days=1, hours=2)))
    yield made(Draft(_ANN, [me], "The key of the boat", text=_QUOTES, date=at(days=12)))
    yield made(Draft(_ANN, [me], "Maps", text=_LINKS, date=at(days=12, hours=5)))
    ours = "onifast-mail <postmaster@example.test>"
    yield made(Draft(ours, [me], "Keys for everything", text=_KEYS, date=at(hours=3)), is_read=False)
    yield made(Draft(ours, [me], "How to find things", text=_SEARCH, date=at(hours=2)), is_read=False)
    bell = OutgoingAttachment("message.wav", "audio/wav", demo_files.sound())
    yield made(Draft(_ZOE, [me], "A voice message", text=_VOICE, attachments=[bell], date=at(days=13)))
    note = build(Draft("Harbour <captain@boats.example>", [_ANN], "Where the boat is", text=_NOTE, date=at(days=15)),
                 "boats.example")  # fmt: skip
    attached = OutgoingAttachment("Where the boat is.eml", "message/rfc822", note)
    yield made(Draft(_ANN, [me], "Fwd: Where the boat is", text=_FORWARDED, attachments=[attached], date=at(days=14)))
    card = OutgoingAttachment("Lena Wolf.vcf", "text/vcard",
                              demo_files.contact("Lena Wolf", "lena@other.example", "Wolf & Sons"))  # fmt: skip
    yield made(Draft(_MAX, [me], "Lena's address", text=_CARD, attachments=[card], date=at(days=16)))


def _put_away(letters: _Letters) -> Iterator[DemoMessage]:
    me, at, made = letters.me, letters.before, letters.made
    yield made(Draft(me, [_ANN, _ZOE], "An idea for the summer", text=_DRAFT, date=at(days=1)), folder="drafts")
    yield made(Draft("Town hall <office@town.example>", [me], "Invoice 77", text=_OLD, date=at(days=20)),
               folder="archive")  # fmt: skip
    prize = Draft("Prizes <win@prize.example>", [me], "You have won", text=_TRASHED, date=at(days=18))
    yield made(prize, folder="trash")
    watches = Draft("Watches <deal@cheap.example>", [me], "Today alone", text=_JUNK, date=at(days=3, hours=7))
    yield made(watches, folder="junk", is_read=False)
