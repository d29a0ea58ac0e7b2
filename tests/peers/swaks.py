"""swaks, the SMTP test client."""

import subprocess
from dataclasses import dataclass

_PATIENCE = 60.0  # seconds for a whole session


@dataclass(frozen=True)
class Session:
    """What a run of swaks came to: its exit *status* (0 is success) and the *transcript* of the dialogue."""

    status: int
    transcript: str

    @property
    def replies(self) -> list[str]:
        """The server's lines, in order, such as ``250 2.0.0 Ok``."""
        # After "<" a sign tells whether TLS is on, and another whether swaks takes the reply for an error.
        return [line[4:].rstrip() for line in self.transcript.splitlines() if line.startswith("<")]


def swaks(host: str, port: int, *arguments: str, stdin: bytes = b"") -> Session:
    """Runs one session against *host*:*port*; *arguments* are swaks's own, *stdin* is for ``--data -``."""
    run = subprocess.run(
        ["swaks", "--server", host, "--port", str(port), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_PATIENCE,
        check=False,
    )
    return Session(run.returncode, run.stdout.decode(errors="replace"))
