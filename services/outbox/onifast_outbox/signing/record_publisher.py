"""Puts DKIM records into DNS, and takes them out: by an administrator's program, or a dynamic update (RFC 2136)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
from onifast_shared.dkim.keys import DnsRecord
from onifast_shared.machine import dns as our_dns
from onifast_shared.machine.config import Settings

PROGRAM_SECONDS = 60.0
TTL = 3600  # seconds, of the records that an update adds

_UPDATE = re.compile(r"rfc2136:(\[[^\]]+\]|[^:\[\]]+)(?::([0-9]+))?")
_BIND_KEY = re.compile(
    r'key\s+"?([^\s"{]+)"?\s*\{.*?algorithm\s+"?([\w-]+)"?\s*;.*?secret\s+"?([^\s";]+)"?\s*;', re.DOTALL
)
_PLAIN_KEY = re.compile(r"^#?\s*(hmac-[\w-]+):([^\s:]+):(\S+)$", re.MULTILINE)
_LONGEST_WORDS = 200

Wish = Literal["publish", "remove"]


class NotPublished(Exception):
    """A record could not be put into DNS, or taken out. The text is a sentence that says why."""


class RecordPublisher:
    """What the setting `dkim_publish` says; `is_on` tells whether it says anything."""

    def __init__(self, settings: Settings) -> None:
        self._how = settings.dkim_publish
        self._key_file = settings.dkim_publish_key
        self._timeout = settings.dns_timeout
        self._resolver = our_dns.resolver(settings)

    @property
    def is_on(self) -> bool:
        """Whether records are published from here at all."""
        return bool(self._how)

    async def carry_out(self, wish: Wish, domain: str, record: DnsRecord) -> None:
        """Publishes a record, or removes it; once more does no harm. Raises NotPublished."""
        if found := _UPDATE.fullmatch(self._how):
            await self._update(wish, record, found[1].strip("[]"), int(found[2] or 53))
        elif self._how:
            await _run(Path(self._how), wish, domain, record)

    async def _update(self, wish: Wish, record: DnsRecord, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(4 * self._timeout):
                where = await self._address(host)
                keys = await asyncio.to_thread(_read_keys, self._key_file)
                zone = await self._zone(record.name, where, port)
                update = dns.update.UpdateMessage(zone, keyring=keys)
                _fill(update, wish, dns.name.from_text(record.name), record)
                answer = await dns.asyncquery.tcp(update, where, port=port, timeout=self._timeout)
        except TimeoutError:
            raise NotPublished(f"The DNS server {host} gives no answer.") from None
        except (dns.exception.DNSException, OSError) as error:
            raise NotPublished(f"The DNS server {host} cannot be updated: {_words(str(error))}.") from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise NotPublished(f"The DNS server {host} refuses the update: {dns.rcode.to_text(answer.rcode())}.")

    async def _address(self, host: str) -> str:
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(host))
        try:
            return (await self._resolver.a(host))[0]
        except our_dns.DNSError:
            raise NotPublished(f"DNS gives no address of the server {host}.") from None

    async def _zone(self, name: str, where: str, port: int) -> dns.name.Name:
        """The zone of that server that the name lies in: the nearest one that it has the SOA record of."""
        above = dns.name.from_text(name).parent()
        while above != dns.name.root:
            query = dns.message.make_query(above, dns.rdatatype.SOA)
            answer = await dns.asyncquery.tcp(query, where, port=port, timeout=self._timeout)
            if answer.get_rrset(answer.answer, above, dns.rdataclass.IN, dns.rdatatype.SOA):
                return above
            above = above.parent()
        raise NotPublished(f"The DNS server {where} has no zone for {name}.")


def _fill(update: dns.update.UpdateMessage, wish: Wish, name: dns.name.Name, record: DnsRecord) -> None:
    if wish == "remove":
        update.delete(name, "TXT")
        return
    pieces = (record.value[start : start + 255] for start in range(0, len(record.value), 255))
    update.replace(name, TTL, "TXT", " ".join(f'"{piece}"' for piece in pieces))


def _read_keys(file: Path | None) -> Mapping[dns.name.Name, dns.tsig.Key] | None:
    """What signs updates (TSIG, RFC 8945), as dnspython wants it; None without a file. Raises NotPublished."""
    if file is None:
        return None
    try:
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise NotPublished(f"The key file {file} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if found := _BIND_KEY.search(text):
        name, algorithm, secret = found.groups()
    elif found := _PLAIN_KEY.search(text):
        algorithm, name, secret = found.groups()
    else:
        raise NotPublished(f"The key file {file} holds no key: neither BIND's form nor ALGORITHM:NAME:SECRET.")
    try:
        return dns.tsigkeyring.from_text({name: (f"{algorithm.lower()}.", secret)})
    except (dns.exception.DNSException, ValueError):
        raise NotPublished(f"The key in the file {file} cannot be read.") from None


async def _run(program: Path, wish: Wish, domain: str, record: DnsRecord) -> None:
    """Runs `PROGRAM publish|remove DOMAIN NAME VALUE`, whose status 0 says that it is done. Raises NotPublished."""
    await asyncio.to_thread(_refuse_unsafe, program)
    try:
        process = await asyncio.create_subprocess_exec(
            *(str(program), wish, domain, record.name, record.value),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )
    except OSError as error:
        raise NotPublished(f"The program {program} cannot be run: {error.strerror}.") from None
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NotPublished(f"The program {program} did not end within {PROGRAM_SECONDS:.0f} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = (said.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise NotPublished(f"The program {program} failed ({process.returncode}): {_words(last)}.")


def _refuse_unsafe(program: Path) -> None:
    """Only root, or who runs outbox, may be able to say what it runs."""
    try:
        found = program.stat()
    except OSError as error:
        raise NotPublished(f"The program {program} cannot be run: {error.strerror}.") from None
    if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o022:
        raise NotPublished(f"The program {program} is not run: others than root may write it.")


def _words(text: str) -> str:
    return text.strip().rstrip(".")[:_LONGEST_WORDS]
