"""Rights are given up for good."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from onifast_outbox.filing.filer import UnixIdentity, become
from onifast_shared.machine import capabilities

pytestmark = pytest.mark.root


def in_child(work: Callable[[], bool]) -> bool:
    """Whether `work` is true in a forked child."""
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = work()
        finally:
            os._exit(0 if good else 1)
    return os.waitpid(child, 0)[1] == 0


def test_what_is_not_kept_is_gone() -> None:
    def work() -> bool:
        capabilities.keep_only(capabilities.DAC_READ_SEARCH)
        return capabilities.effective() == {capabilities.DAC_READ_SEARCH} and not capabilities.can_become_others()

    assert capabilities.can_become_others()
    assert in_child(work)


def test_a_unit_with_setuid_becomes_the_owner_and_keeps_nothing_of_it() -> None:
    def work() -> bool:
        # As a systemd unit with ambient capabilities starts it: not root, but able to become others.
        _keep_capabilities_across_setuid()
        os.setresuid(61000, 61000, 61000)
        _raise_again()
        if not capabilities.can_become_others():
            return False
        become(UnixIdentity(61001, 61001))
        return os.getresuid() == (61001,) * 3 and os.getgroups() == [61001] and not capabilities.effective()

    assert in_child(work)


def _keep_capabilities_across_setuid() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS


def _raise_again() -> None:
    """setuid has cleared the effective set; the permitted one is still there."""
    import ctypes

    mask = 1 << capabilities.SETUID | 1 << capabilities.SETGID
    data = (capabilities._Data * 2)(capabilities._Data(mask, mask, 0), capabilities._Data(0, 0, 0))
    header = capabilities._Header(0x20080522, 0)
    assert ctypes.CDLL(None).capset(ctypes.byref(header), data) == 0
