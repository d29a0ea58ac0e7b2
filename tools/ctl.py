"""make ctl - supervisorctl on the programs that `make run` started from this checkout.

`python -m tools.ctl [COMMAND …]`: one command (status, restart web, tail smtpd), or a prompt when there is none.
"""

from __future__ import annotations

import os
import sys

from tools.embedded import embedded
from tools.environment import complain


def main() -> None:
    here = embedded(os.environ)
    if not here.control_socket.exists():
        sys.exit(complain("nothing is running from this checkout: start it with `make run`"))
    command = [*here.command("supervisorctl"), *sys.argv[1:]]
    os.execve(command[0], command, dict(here.environ))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
