"""Judges mail from outside: has its origin checked, decides what becomes of it, and says why in words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from onifast_shared import dmarc_reports
from onifast_shared.address import Address
from onifast_shared.config import Settings
from onifast_shared.dmarc_reports import Observation

from onifast_smtpd import trace, verdict, words
from onifast_smtpd.client import Origin
from onifast_smtpd.notebook import Notebook
from onifast_smtpd.replies import Refused
from onifast_smtpd.verify import Authentication, Verifier


@dataclass(frozen=True)
class Judgement:
    """A message that may come in: the header fields that say what was found, the folder, and what is stored of it."""

    headers: bytes
    folder: str
    authentication: dict[str, Any]
    summary: str


class Judge:
    """Judges messages; one for a program."""

    def __init__(self, settings: Settings, verifier: Verifier, notebook: Notebook) -> None:
        self._settings = settings
        self._verifier = verifier
        self._notebook = notebook

    async def message(self, origin: Origin, mail_from: Address | None, raw: bytes) -> Judgement:
        """The judgement on a message that came whole; raises Refused."""
        checked = await self._verifier.check(origin.client.address, origin.helo, mail_from, raw)
        decided = verdict.decide(checked, self._settings)
        stored = checked.as_dict() | {"why": explain(checked, decided), "reason": " ".join(decided.why)}
        self._count(origin, mail_from, checked, decided)
        if decided.refusal:
            raise Refused(decided.refusal, stored)
        hostname = self._settings.hostname
        headers = trace.authentication_results(checked, hostname) + trace.received_spf(checked.spf, hostname)
        return Judgement(headers, decided.folder, stored, checked.summary)

    def _count(
        self, origin: Origin, mail_from: Address | None, checked: Authentication, decided: verdict.Verdict
    ) -> None:
        """For the reports that the author's domain asks for."""
        record = checked.dmarc.record
        if record is None or not record.reports_to:
            return
        observation = Observation(
            policy_domain=record.domain,
            policy=record.text,
            source_ip=origin.client.address,
            disposition=decided.applied,
            reason=decided.override,
            header_from=checked.dmarc.domain,
            envelope_from=mail_from.domain if mail_from else "",
            dkim_aligned=checked.dmarc.dkim_aligned,
            spf_aligned=checked.dmarc.spf_aligned,
            results={
                "spf": {"domain": checked.spf.domain, "scope": checked.spf.identity, "result": checked.spf.result},
                "dkim": [
                    {"domain": item.domain, "selector": item.selector, "result": item.result} for item in checked.dkim
                ],
            },
        )
        now = time.time()
        self._notebook.jot(lambda tx: dmarc_reports.count(tx, observation, now))


def explain(checked: Authentication, decided: verdict.Verdict) -> list[str]:
    """Why the message is where it is, and what was found: the verdict first."""
    return [
        *decided.why,
        words.dmarc_sentence(checked.dmarc),
        words.spf_sentence(checked.spf),
        *words.dkim_sentences(checked.dkim),
        *words.arc_sentences(checked.arc),
        words.iprev_sentence(checked.iprev),
    ]
