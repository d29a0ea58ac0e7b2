"""DNS block lists and filters that answers name, with the page where an address is looked up and removed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockList:
    """`mark` is how answers name it; `page` where the listing is explained and lifted."""

    mark: str
    name: str
    page: str

    def advice(self, address: str) -> str:
        """What the server's administrator has to do."""
        which = f"{address} " if address else "the address "
        return f"The server's administrator can look {which}up and have it removed at {self.page}."


_LISTS = (
    BlockList("dbl.spamhaus", "Spamhaus' list of domains", "https://check.spamhaus.org/"),
    BlockList("pbl.spamhaus", "Spamhaus' list of addresses that should not send mail", "https://check.spamhaus.org/"),
    BlockList("spamhaus", "Spamhaus", "https://check.spamhaus.org/"),
    BlockList("barracudacentral", "Barracuda's list", "https://www.barracudacentral.org/rbl/removal-request"),
    BlockList("barracuda", "Barracuda's list", "https://www.barracudacentral.org/rbl/removal-request"),
    BlockList("spamcop", "SpamCop", "https://www.spamcop.net/bl.shtml"),
    BlockList("ipcheck.proofpoint", "Proofpoint's list", "https://ipcheck.proofpoint.com/"),
    BlockList("prs.proofpoint", "Proofpoint's list", "https://ipcheck.proofpoint.com/"),
    BlockList("support.proofpoint", "Proofpoint's list", "https://ipcheck.proofpoint.com/"),
    BlockList("cloudmark", "Cloudmark's list", "https://csi.cloudmark.com/en/reset/"),
    BlockList("abusix", "Abusix", "https://lookup.abusix.com/"),
    BlockList("uceprotect", "UCEPROTECT", "https://www.uceprotect.net/en/rblcheck.php"),
    BlockList("spamrats", "SpamRATS", "https://www.spamrats.com/lookup.php"),
    BlockList("sorbs", "SORBS", "the list's own site"),
    BlockList("invaluement", "invaluement", "https://www.invaluement.com/lookup/"),
    BlockList("mailspike", "Mailspike", "https://www.mailspike.org/iplookup.html"),
    BlockList("psbl.surriel", "PSBL", "https://psbl.org/"),
    BlockList("senderbase", "Cisco Talos", "https://talosintelligence.com/reputation_center"),
    BlockList("talosintelligence", "Cisco Talos", "https://talosintelligence.com/reputation_center"),
    BlockList("s3140", "Microsoft's list", "https://sender.office.com/"),
    BlockList("sender.office.com", "Microsoft's list", "https://sender.office.com/"),
    BlockList("surbl", "SURBL", "https://surbl.org/surbl-analysis"),
    BlockList("uribl", "URIBL", "https://lookup.uribl.com/"),
)


def named_in(answer: str) -> BlockList | None:
    """The first list of our table that the answer names."""
    lower = answer.lower()
    return next((each for each in _LISTS if each.mark in lower), None)
