"""How many calls of the API a user and each of their tokens may make in a minute, and what answers say of that.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10, and so is the problem's type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onifast_shared.machine.shared_windows import SharedWindows

from onifast_web.http.problems import Problem

WINDOW = 60
"""Seconds."""
PROBLEM_TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@dataclass(frozen=True)
class CallQuota:
    """So many calls a minute by whom `key` names, under the policy `name`."""

    name: str
    key: str
    most: int


@dataclass(frozen=True)
class CallQuotaUse:
    """What is left of a quota, and the seconds until it is whole again."""

    quota: CallQuota
    left: int
    seconds: int


class ApiRates:
    """Counts calls, for all processes together. Safe to use from any thread."""

    def __init__(self, windows: SharedWindows) -> None:
        self._windows = windows

    def count(self, quotas: Iterable[CallQuota], now: float) -> list[CallQuotaUse]:
        """Counts a call on each of these quotas."""
        window = int(now // WINDOW)
        seconds = max(1, int((window + 1) * WINDOW - now))
        return [
            CallQuotaUse(each, each.most - self._windows.add((each.name, each.key), window), seconds) for each in quotas
        ]


def fields(uses: list[CallQuotaUse]) -> dict[str, str]:
    """The header fields of an answer (sections 3 and 4 of the draft); none without quotas."""
    if not uses:
        return {}
    policies = (f'"{use.quota.name}";q={use.quota.most};w={WINDOW}' for use in uses)
    states = (f'"{use.quota.name}";r={max(0, use.left)};t={use.seconds}' for use in uses)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def check(uses: list[CallQuotaUse]) -> None:
    """Raises Problem(429) where a quota is used up."""
    over = [use for use in uses if use.left < 0]
    if not over:
        return
    seconds = max(use.seconds for use in over)
    detail = f"More than {min(use.quota.most for use in over)} calls in a minute. Try again in {seconds} seconds."
    members = {"violated-policies": [use.quota.name for use in over]}
    raise Problem(429, detail, headers={"Retry-After": str(seconds)}, type=PROBLEM_TYPE, members=members)
