"""A scripted SMTP server, for peers that misbehave: what it answers to each command is a dict.

    script = {
        "RCPT": ["451 4.7.1 greylisted", "250 ok"],   # first this, from the second time on that
        "RCPT full@remote.test": "452 4.2.2 full",    # just for this recipient; so for "MAIL sender@a.test"
        ".": DROP,                                    # hangs up after the final dot
    }
    with ScriptedSmtpServer(script) as server:
        ...
        [message] = server.wait_for_messages(1)

Stages: ``CONNECT`` (the greeting), each command by its verb (``EHLO``, ``STARTTLS``, ``AUTH``, ``MAIL``, ``RCPT``,
``DATA``, ``RSET``, ``NOOP``, ``QUIT`` …), ``EHLO tls`` (the one over TLS), ``TLS`` (what comes in the place of the
handshake; then it hangs up), ``BODY`` (after 354, before the message is read) and ``.`` (after the final dot).
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence

from fakes.loop import LoopServer
from fakes.smtp_dialogue import Dialogue, HangUp
from fakes.smtp_script import DROP, RESET, STALL, Action, Drop, Message, Pieces, Say, Script, Session, Stall

__all__ = ["DROP", "RESET", "STALL", "Drop", "Message", "Say", "ScriptedSmtpServer", "Session", "Stall"]

_PATIENCE = 20.0  # seconds that the wait_for methods wait unless told otherwise
_CLOSING = 1.0  # seconds for the client's part in closing a TLS connection
_LINE_LIMIT = 1024 * 1024


class ScriptedSmtpServer(LoopServer):
    """Serves SMTP from ``__enter__`` to ``__exit__``, as *script* says, and accepts everything else.

    With *tls* it offers STARTTLS (or speaks TLS from the start: *implicit_tls*); with *logins*, a dict of passwords, it
    offers AUTH PLAIN and LOGIN. *extensions* is what EHLO lists besides.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hostname: str = "mx.fake.test",
        extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 52428800"),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        logins: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("scripted SMTP server")
        self.host = host
        self.port = port
        self.hostname = hostname
        self.extensions = tuple(extensions)
        self.tls = tls
        self.logins = dict(logins or {})
        self._implicit_tls = implicit_tls
        self._script = dict(script or {})
        self._turns: dict[str, int] = {}
        self._sessions: list[Session] = []
        self._changed = threading.Condition()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"

    @property
    def sessions(self) -> list[Session]:
        """Every connection so far, in order."""
        with self._changed:
            return list(self._sessions)

    @property
    def messages(self) -> list[Message]:
        """Every message that came as far as its final dot and was answered 2xx, in order of connections."""
        return [message for session in self.sessions for message in session.messages if message.accepted]

    def set(self, stage: str, action: Action | Sequence[Action] | None) -> None:
        """Changes the script from now on; None takes *stage* out of it."""
        with self._changed:
            self._turns.pop(stage, None)
            self._script.pop(stage, None)
            if action is not None:
                self._script[stage] = action

    def release(self) -> None:
        """Lets those go on that wait at a ``STALL`` now."""
        self._thread.run(self._release())

    def wait_for_messages(self, count: int, timeout: float = _PATIENCE) -> list[Message]:
        """Returns the accepted messages as soon as there are *count*; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.messages) >= count, timeout):
                raise TimeoutError(f"{len(self.messages)} of {count} messages; sessions: {self._sessions}")
        return self.messages

    def wait_for_sessions(self, count: int, timeout: float = _PATIENCE) -> list[Session]:
        """Returns the sessions as soon as *count* have ended; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: sum(s.ended for s in self._sessions) >= count, timeout):
                raise TimeoutError(f"fewer than {count} sessions ended: {self._sessions}")
        return self.sessions

    def wait_for_command(self, command: str, timeout: float = _PATIENCE) -> None:
        """Returns as soon as a line that begins with *command* came in; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_heard(command), timeout):
                raise TimeoutError(f"{command!r} did not come: {self._sessions}")

    def _has_heard(self, command: str) -> bool:
        return any(line.upper().startswith(command.upper()) for s in self._sessions for line in s.commands)

    async def _listen(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family, backlog=128)
        self.port = listener.getsockname()[1]
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(
            self._serve, sock=listener, limit=_LINE_LIMIT, ssl=self.tls if self._implicit_tls else None
        )

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        session = Session(writer.get_extra_info("peername")[:2], tls=self._implicit_tls)
        with self._changed:
            self._sessions.append(session)
            self._changed.notify_all()
        try:
            await Dialogue(self, session, reader, writer).run()
        except (HangUp, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the script, the client or the end of the test ended it
        finally:
            self._tasks.discard(task)
            await _close(writer)
            self.note(session, ended=True)

    def note(self, session: Session, *, command: str = "", message: Message | None = None, ended: bool = False) -> None:
        """Writes down what *session* came to (for the dialogue)."""
        with self._changed:
            if command:
                session.commands.append(command)
            if message:
                session.messages.append(message)
            session.ended = session.ended or ended
            self._changed.notify_all()

    def next_action(self, stage: str, argument: str) -> Action | None:
        """Returns what the script says for *stage* now, the line for its *argument* first (for the dialogue)."""
        with self._changed:
            for key in (f"{stage} {argument}", stage):
                if key in self._script:
                    return self._pick(key)
        return None

    def _pick(self, key: str) -> Action:
        actions = self._script[key]
        if isinstance(actions, str | bytes | Say | Drop | Stall | Pieces):
            return actions
        turn = self._turns.get(key, 0)
        self._turns[key] = turn + 1
        return actions[min(turn, len(actions) - 1)]

    async def stall(self) -> None:
        """Waits for the next ``release()`` (for the dialogue)."""
        await self._released.wait()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), _CLOSING)
    writer.transport.abort()
