"""A panel's side of onifast-mail, in one file of Python 3.9 or later without dependencies: copy it into your panel.

    from onifast_mail import OnifastMail

    mail = OnifastMail()  # http://127.0.0.1:4031, with the token of /home/root/onifast/config/panel.token
    mail.add_address("info@shop.test", "demo")
    url = mail.sign_on_url("demo", "https://panel.shop.test/mail")  # send the user's browser there, at once
    print(mail.counts("demo")["unread"])

Each method is one call of the HTTP API, or a list of them page by page, and gives what docs/panel.md and
/api/openapi.json describe. What the server refuses is raised as OnifastMailError.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TOKEN_FILE = "/home/root/onifast/config/panel.token"  # noqa: S105 - a path
SSO_DIRECTORY = "/home/root/onifast/sso"
_PAGE = 200


class OnifastMailError(Exception):
    """A call that was not carried out. `status` is HTTP's (0: no answer), `fields` says what is wrong with which."""

    def __init__(self, status: int, detail: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.fields = fields or {}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _sign_on_url(token: str, public_url: str, page: str) -> str:
    query = {"token": token, **({"next": page} if page else {})}
    return f"{public_url.rstrip('/')}/sso-login?{urlencode(query)}"


class OnifastMail:
    """The mail server, for a panel that holds its service token. `server` is a URL, or `unix:` and a socket's path.

    Without `token` it is read from `token_file`. `timeout` is in seconds.
    """

    def __init__(
        self,
        server: str = "http://127.0.0.1:4031",
        token: str | None = None,
        token_file: str = TOKEN_FILE,
        timeout: float = 30.0,
    ) -> None:
        self._server = server
        self._token = token or Path(token_file).read_text(encoding="utf-8").strip()
        self._timeout = timeout

    # Single sign-on

    def sign_on_url(self, username: str, public_url: str, page: str = "") -> str:
        """Where to send a user's browser, within a minute, once; `public_url` is where browsers find the webmail.

        `page` is a page to go on to, such as /folders/inbox.
        """
        token = self.call("POST", "/api/panel/sso-token", body={"username": username})["token"]
        return _sign_on_url(token, public_url, page)

    @staticmethod
    def sign_on_url_by_file(username: str, public_url: str, page: str = "", directory: str = SSO_DIRECTORY) -> str:
        """The same without a call and without a service token, for a panel that owns the directory (root does)."""
        token = secrets.token_urlsafe(32)
        name = hashlib.sha256(token.encode("ascii")).hexdigest()
        whole, unfinished = Path(directory, name), Path(directory, f".{name}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchown(descriptor, -1, whole.parent.stat().st_gid)
            os.fchmod(descriptor, 0o640)
            json.dump({"username": username, "token_sha256": name}, file)
        unfinished.rename(whole)
        return _sign_on_url(token, public_url, page)

    # Users

    def users(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All users with their state; `state` and `q` filter."""
        return self._all("/api/panel/users", "users", filters)

    def check_password(self, username: str, password: str, client: str | None = None) -> dict[str, Any]:
        """Whether that is the password of a user or mailbox user who may log in (`matches`), and of whom (`username`,
        `owner`, `second_factor`). `client` is the address of who typed it; too many wrong ones are raised as 429.
        """
        body = {"username": username, "password": password, **({} if client is None else {"client": client})}
        return self.call("POST", "/api/panel/password-check", body=body)

    def add_user(self, username: str, password: str | None = None) -> dict[str, Any]:
        """Writes a new user's file, where the setting writes_users lets us. Without a password one is made, and given
        as `password`.
        """
        return self.call("POST", "/api/panel/users", body={"username": username, **_password_of(password)})

    def set_user_password(self, username: str, password: str | None = None) -> dict[str, Any]:
        """Gives a user another password, where the setting writes_users lets us."""
        return self.call("PATCH", "/api/panel/users", body={"username": username, **_password_of(password)})

    def remove_user(self, username: str, with_file: bool = False) -> dict[str, Any]:
        """Sets aside all that is a user's. Delete their file first, or, where writes_users lets us, have it deleted
        (`with_file`); the name is free once `done` is true.
        """
        body = {"username": username, **({"file": True} if with_file else {})}
        return self.call("POST", "/api/panel/users/remove", body=body)

    def restore_user(self, username: str) -> dict[str, Any]:
        """Gives back what was set aside."""
        return self.call("POST", "/api/panel/users/restore", body={"username": username})

    def rename_user(self, username: str, new_name: str) -> dict[str, Any]:
        """Gives all that is a user's to their new name. Rename their file afterwards."""
        return self.call("POST", "/api/panel/users/rename", body={"username": username, "new_name": new_name})

    # Addresses and domains

    def addresses(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All addresses; `owner`, `domain` and `q` filter."""
        return self._all("/api/mail/addresses", "addresses", filters)

    def add_address(self, address: str, owner: str) -> dict[str, Any]:
        """Gives a new address to a user."""
        return self.call("POST", "/api/mail/addresses", body={"address": address, "owner": owner})

    def change_address(self, address: str, **changes: Any) -> dict[str, Any]:
        """Gives an address another `owner`, or `quota` in octets (0: no limit, None: the setting's)."""
        return self.call("PATCH", "/api/mail/addresses", body={"address": address, **changes})

    def remove_address(self, address: str) -> None:
        """Takes an address away; its mail stays."""
        self.call("DELETE", "/api/mail/addresses", {"address": address})

    def domains(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All domains; `owner` and `q` filter."""
        return self._all("/api/mail/domains", "domains", filters)

    def add_domain(self, domain: str, owner: str) -> dict[str, Any]:
        """Makes a domain this server's."""
        return self.call("POST", "/api/mail/domains", body={"domain": domain, "owner": owner})

    def change_domain(self, domain: str, owner: str) -> dict[str, Any]:
        """Gives a domain another owner."""
        return self.call("PATCH", "/api/mail/domains", body={"domain": domain, "owner": owner})

    def domain_dns(self, domain: str) -> dict[str, Any]:
        """What DNS should have for a domain's mail, and has: `is_ready`, and of each of `records` what to publish."""
        return self.call("GET", "/api/mail/domains/dns", {"domain": domain})

    def remove_domain(self, domain: str, with_addresses: bool = False) -> None:
        """Takes a domain away; one that has addresses only with them."""
        query = {"domain": domain, "addresses": "true" if with_addresses else "false"}
        self.call("DELETE", "/api/mail/domains", query)

    # Mailbox users and shared mailboxes

    def mailbox_users(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All mailbox users; `owner`, `domain` and `q` filter."""
        return self._all("/api/mail/mailbox-users", "mailbox_users", filters)

    def add_mailbox_user(self, address: str, password: str | None = None, **more: Any) -> dict[str, Any]:
        """Makes an address a mailbox user. Without a password one is made, and given as `password`; `move_mail` gives
        them the mail that came before.
        """
        return self.call("POST", "/api/mail/mailbox-users", body={"address": address, **_password_of(password), **more})

    def change_mailbox_user(self, address: str, **changes: Any) -> dict[str, Any]:
        """Changes `password` (or `generate_password`, `no_password`), `disabled`, `quota`, `send_as`,
        `messages_per_day` and so on.
        """
        return self.call("PATCH", "/api/mail/mailbox-users", body={"address": address, **changes})

    def remove_mailbox_user(self, address: str, mail: str) -> None:
        """Ends a mailbox user; their mail goes to the panel user (`owner`), or is deleted for good (`delete`)."""
        self.call("DELETE", "/api/mail/mailbox-users", {"address": address, "mail": mail})

    def shared_mailboxes(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All shared mailboxes; `owner`, `domain` and `q` filter."""
        return self._all("/api/mail/shared-mailboxes", "shared_mailboxes", filters)

    def add_shared_mailbox(self, address: str, members: Iterable[str], names_sender: bool = False) -> dict[str, Any]:
        """Makes an address a shared mailbox of these members: the panel user by name, mailbox users by address."""
        body = {"address": address, "members": list(members), "names_sender": names_sender}
        return self.call("POST", "/api/mail/shared-mailboxes", body=body)

    def change_shared_mailbox(self, address: str, **changes: Any) -> dict[str, Any]:
        """Changes `members` or `names_sender`."""
        return self.call("PATCH", "/api/mail/shared-mailboxes", body={"address": address, **changes})

    def remove_shared_mailbox(self, address: str, mail: str) -> None:
        """Ends a shared mailbox; its mail goes to the panel user (`owner`), or is deleted for good (`delete`)."""
        self.call("DELETE", "/api/mail/shared-mailboxes", {"address": address, "mail": mail})

    # Quotas, counts, queue, usage

    def set_user_quota(self, username: str, octets: int | None) -> dict[str, Any]:
        """What all mail of a user may take (0: no limit, None: the setting's)."""
        return self.call("POST", "/api/mail/quotas", body={"scope": "owner", "name": username, "bytes": octets})

    def counts(self, username: str) -> dict[str, Any]:
        """How many messages, and unread ones, each of a user's folders holds."""
        return self.call("GET", "/api/mail/counts", user=username)

    def queue(self, username: str | None = None, **filters: str) -> Iterator[dict[str, Any]]:
        """What is sent, of a user or of all; `status` and `q` filter."""
        return self._all("/api/mail/outbox", "outbox", filters, username)

    def act_on_queue(self, ids: Iterable[int], action: str) -> dict[str, Any]:
        """`retry`, `cancel`, `hold` or `release` entries."""
        return self.call("POST", "/api/mail/outbox", body={"ids": list(ids), "action": action})

    def usage(self, scope: str = "user", **filters: str) -> Iterator[dict[str, Any]]:
        """What users, or domains (`scope` domain), use and may still send; `owner` and `q` filter."""
        return self._all("/api/mail/usage", "usage", {"scope": scope, **filters})

    # Any call

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        user: str | None = None,
    ) -> dict[str, Any]:
        """One call of the API, for the panel or in the place of `user`; raises OnifastMailError."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if user is not None:
            headers["X-Onifast-User"] = user
        connection, prefix = self._connect()
        target = prefix + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise OnifastMailError(0, f"The mail server gives no answer: {error}") from error
        finally:
            connection.close()
        return _checked(answer.status, content)

    def _connect(self) -> Any:
        if self._server.startswith("unix:"):
            return _UnixConnection(self._server[5:], self._timeout), ""
        parts = urlsplit(self._server)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.netloc, timeout=self._timeout), parts.path.rstrip("/")

    def _all(self, path: str, name: str, filters: dict[str, str], user: str | None = None) -> Iterator[dict[str, Any]]:
        query = {"limit": str(_PAGE), **filters}
        while True:
            page = self.call("GET", path, query, user=user)
            yield from page[name]
            if not page["next_cursor"]:
                return
            query["cursor"] = page["next_cursor"]


def _password_of(password: str | None) -> dict[str, Any]:
    return {"generate_password": True} if password is None else {"password": password}


def _checked(status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OnifastMailError(status, f"The answer (status {status}) is no JSON object; is that the mail server?")
    if status >= 300:
        fields = {item["field"]: item["message"] for item in found.get("errors", [])}
        raise OnifastMailError(status, found.get("detail") or f"status {status}", fields)
    return found
