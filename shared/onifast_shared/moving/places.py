"""Where a message goes: to one of the six folders, by what other programs call them, or to an own folder or a label."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from onifast_shared.moving.found import Marks
from onifast_shared.values import label_names
from onifast_shared.values.label_names import MOST_CHARACTERS, MOST_DEPTH, RESERVED, SEPARATOR, LabelNameError

# Outlook, Apple Mail, Thunderbird, Gmail, Roundcube, Horde, Exchange, KMail; English, German, French, Spanish, Italian,
# Dutch, Portuguese, Polish, Czech, Swedish, Danish, Norwegian, Finnish, Hungarian, Turkish, Russian.
_NAMES = {
    "inbox": "inbox; posteingang; boîte de réception; boite de reception; bandeja de entrada; posta in arrivo;"
    " in arrivo; postvak in; caixa de entrada; skrzynka odbiorcza; doručená pošta; inkorg; inkorgen; indbakke; innboks;"
    " saapuneet; beérkezett üzenetek; gelen kutusu; входящие",
    "sent": "sent; sent items; sent mail; sent messages; sent-mail; gesendet; gesendete objekte; gesendete elemente;"
    " gesendete nachrichten; envoyés; éléments envoyés; messages envoyés; courrier envoyé; enviados;"
    " elementos enviados; mensajes enviados; correo enviado; itens enviados; e-mails enviados; inviati; inviata;"
    " posta inviata; elementi inviati; verzonden; verzonden items; verzonden berichten; wysłane; elementy wysłane;"
    " odeslané; odeslaná pošta; skickat; skickade; sendt; sendt post; sendte elementer; lähetetyt; elküldött;"
    " elküldött elemek; gönderilmiş öğeler; gönderilmiş; отправленные; outbox sent",
    "drafts": "drafts; draft; entwürfe; entwurf; brouillons; borradores; bozze; concepten; rascunhos; szkice;"
    " wersje robocze; kopie robocze; koncepty; rozepsané; utkast; kladder; luonnokset; piszkozatok; taslaklar;"
    " черновики",
    "junk": "junk; spam; junk e-mail; junk email; junk mail; junk-e-mail; bulk mail; spamverdacht; junk-mail;"
    " unerwünscht; pourriel; courrier indésirable; indésirables; correo no deseado; correo basura; posta indesiderata;"
    " ongewenste e-mail; ongewenste reclame; lixo eletrônico; lixo eletrónico; wiadomości-śmieci; nevyžádaná pošta;"
    " skräppost; uønsket e-mail; søppelpost; roskaposti; levélszemét; önemsiz e-posta; спам; нежелательная почта",
    "trash": "trash; deleted items; deleted messages; deleted; bin; wastebasket; papierkorb; gelöscht;"
    " gelöschte objekte; gelöschte elemente; corbeille; éléments supprimés; papelera; elementos eliminados; cestino;"
    " posta eliminata; eliminati; prullenbak; verwijderde items; lixeira; lixo; itens excluídos; kosz;"
    " elementy usunięte; koš; odstraněná pošta; papperskorg; papperskorgen; borttaget; papirkurv; slettet post;"
    " slettede elementer; roskakori; poistetut; törölt elemek; kuka; çöp kutusu; silinmiş öğeler; корзина; удаленные",
    "archive": "archive; archives; archiv; archivio; archivo; archief; arquivo; archiwum; arkiv; arkisto; archívum;"
    " arşiv; архив; all mail; alle nachrichten; tous les messages; todos; todos os e-mails; tutti i messaggi;"
    " alle e-mail; wszystkie; archived",
}  # fmt: skip
_USES = {
    "inbox": "inbox", "sent": "sent", "drafts": "drafts", "junk": "junk", "spam": "junk", "trash": "trash",
    "archive": "archive", "all": "archive",
}  # fmt: skip
_ROOTS = re.compile(r"(?:\[(?:gmail|google mail)\]|inbox)/", re.IGNORECASE)


@dataclass(frozen=True)
class ImportPlace:
    """One of the six folders; the own folder that it lies in, or ""; and the labels that it gets."""

    folder: str
    own_folder: str = ""
    labels: tuple[str, ...] = ()


def folder_of(place: str, use: str = "") -> str | None:
    """Which of the six folders an old one is; None for one of its owner's making."""
    if use.casefold() in _USES:
        return _USES[use.casefold()]
    return _KNOWN.get(_key(_ROOTS.sub("", place, count=1)))


def destination(
    place: str,
    use: str,
    marks: Marks,
    named: Iterable[str] = (),
    *,
    is_labelled: bool = False,
    otherwise: str = "inbox",
) -> ImportPlace:
    """Where a message goes that lay in `place`, or that its header names labels for (Gmail's).

    `otherwise` is where it goes that lay nowhere in particular.
    """
    if marks.is_deleted:
        return ImportPlace("trash", labels=_labels(marks.labels))
    names = list(named)
    if names:
        return _of_labels([*names, *marks.labels])
    folder = folder_of(place, use) if place or use else otherwise
    if folder is None and is_labelled:
        return ImportPlace("archive", labels=_labels([_rootless(place), *marks.labels]))
    if marks.is_draft:
        folder = "drafts"
    if folder is None:
        return ImportPlace("archive", own_name(_rootless(place)), _labels(marks.labels))
    return ImportPlace(folder, labels=_labels(marks.labels))


def own_name(place: str) -> str:
    """A name that an own folder or label can have, as like the old one as may be; "" for none."""
    parts = [_part(part) for part in place.split(SEPARATOR)]
    parts = [part for part in parts if part]
    if len(parts) > MOST_DEPTH:
        parts = [*parts[: MOST_DEPTH - 1], "-".join(parts[MOST_DEPTH - 1 :])]
    if parts and label_names.key(parts[0]) in RESERVED:
        parts[0] = f"{parts[0]} (imported)"
    name = SEPARATOR.join(parts)[:MOST_CHARACTERS].rstrip(" /")
    try:
        return label_names.parse(name)
    except LabelNameError:
        return ""


def _of_labels(names: list[str]) -> ImportPlace:
    folders = [(name, folder_of(name)) for name in names]
    known = {folder for _, folder in folders if folder}
    first = next((each for each in ("trash", "junk", "drafts", "inbox", "sent") if each in known), "archive")
    return ImportPlace(first, labels=_labels(name for name, folder in folders if folder is None))


def _labels(names: Iterable[str]) -> tuple[str, ...]:
    found = (own_name(_rootless(name)) for name in names)
    return tuple(dict.fromkeys(name for name in found if name))


def _rootless(place: str) -> str:
    return _ROOTS.sub("", place, count=1)


def _part(text: str) -> str:
    kept = "".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join(kept.split()) if kept.strip(". ") else ""  # `..` is no name


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


_KNOWN = {_key(name): folder for folder, names in _NAMES.items() for name in names.split(";")}
