"""Being run by supervisord: a program ends, politely, when that does; nobody else would end it, or free its ports.

systemd ends what it started, and what somebody started with `nohup` is to outlive its parent.
"""

from __future__ import annotations

import os
import select
import signal

from onifast_shared.machine import capabilities
from onifast_shared.programs import reloading


class Supervision:
    """The supervisord that started this process, if one did. To be made before anything else is done.

    The variable is supervisord's protocol, not a setting: config does not read it.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._is_there = os.environ.get("SUPERVISOR_ENABLED") == "1" and reloading.is_heard()
        if self._is_there and _is_alone():
            signal.raise_signal(signal.SIGTERM)  # it died while this program was being loaded

    def follow(self) -> None:
        """From now on supervisord's death is a SIGTERM to this process, which ends its children.

        To be called after rights were given up, since the kernel forgets it then (PR_SET_PDEATHSIG in prctl(2)).
        """
        if not self._is_there:
            return
        capabilities.prctl(capabilities.PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self._parent:  # it has died meanwhile
            signal.raise_signal(signal.SIGTERM)


def _is_alone() -> bool:
    """Whether the supervisord that started this process has died: it alone holds the other end of the standard input.

    Whose child an orphan becomes, and of which session, differs between a host, a container and a user's session.
    """
    poll = select.poll()
    poll.register(0, 0)  # POLLHUP is told unasked, and only of pipes
    return any(happened & select.POLLHUP for _, happened in poll.poll(0))
