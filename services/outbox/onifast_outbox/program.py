"""What outbox does from its start to its end: its parts, wired on one database, and the loops that run them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from onifast_shared.acts import steps
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.junk import judging
from onifast_shared.machine import dns, event_loop, log
from onifast_shared.machine.config import Settings
from onifast_shared.metrics.telling import told
from onifast_shared.programs import pulse, reloading
from onifast_shared.programs.pulse import nothing
from onifast_shared.tracing.recorder import TraceRecorder
from onifast_shared.webhooks import targets

from onifast_outbox import maillog
from onifast_outbox.claiming.dispatcher import Dispatcher, boot_clock
from onifast_outbox.claiming.leases import Leases
from onifast_outbox.delivering.connections import OutgoingConnections
from onifast_outbox.delivering.courier import Courier
from onifast_outbox.delivering.routing import MailExchangers
from onifast_outbox.delivering.settling import Settler
from onifast_outbox.delivery_check.respondent import Respondent
from onifast_outbox.destinations import persistence
from onifast_outbox.destinations.persistence import DestinationPersistence
from onifast_outbox.dsn.notifier import Notifier
from onifast_outbox.filing import collecting, indexer, search_keeper
from onifast_outbox.filing.collecting import HomeCollector
from onifast_outbox.filing.copies import Filer, FilerGone, Filing
from onifast_outbox.housekeeping import compactor, departures
from onifast_outbox.housekeeping.compactor import Compactor
from onifast_outbox.housekeeping.departures import Departures
from onifast_outbox.housekeeping.doctor import ROUND_SECONDS, Doctor
from onifast_outbox.housekeeping.janitor import Janitor
from onifast_outbox.http_client import HttpClient
from onifast_outbox.image_proxy.fetcher import ImageFetcher
from onifast_outbox.junk import digest
from onifast_outbox.junk.digest import Digests
from onifast_outbox.junk.teacher import Teacher
from onifast_outbox.moving import mover
from onifast_outbox.moving.mover import Mover
from onifast_outbox.poller import Poller, Wakeup
from onifast_outbox.returns.recording import ReturnRecorder
from onifast_outbox.signing import key_keeper, rotation_schedule
from onifast_outbox.signing.key_keeper import KeyKeeper
from onifast_outbox.signing.rotation_schedule import RotationSchedule
from onifast_outbox.signing.signer import Signer
from onifast_outbox.smtp import traces
from onifast_outbox.tls_policy import policies as tls_policies
from onifast_outbox.tls_policy import reporting as tls_reporting
from onifast_outbox.tls_policy.contexts import Contexts
from onifast_outbox.tls_policy.policies import TlsPolicies
from onifast_outbox.tls_policy.reporting import Reporting
from onifast_outbox.unsubscriber import Unsubscriber
from onifast_outbox.webhooks.poster import Poster

# Below what supervisord and systemd wait before they kill.
FINISH_SECONDS = 20.0
TIDY_SECONDS = 10.0
# For handing in one TLS report.
REPORT_SECONDS = 30.0
# What follows accepting, and answers to people, comes "within moments": one look serves the commits of so long.
REST_SECONDS = 0.05


@dataclass(frozen=True)
class OutboxProgram:
    """The parts of the deliverer, wired."""

    dispatcher: Dispatcher
    leases: Leases
    janitor: Janitor
    notifier: Notifier
    connections: OutgoingConnections
    respondent: Respondent
    images: ImageFetcher
    queue_wakeup: Wakeup
    policies: TlsPolicies
    reporting: Reporting
    poster: Poster
    teacher: Teacher
    digests: Digests
    unsubscriber: Unsubscriber
    mover: Mover
    tracer: TraceRecorder


def assemble(settings: Settings, db: Database) -> OutboxProgram:
    """Wire the deliverer's parts on one database. Nothing runs yet. Raises ConfigError."""
    resolver, contexts = dns.resolver(settings), Contexts.of(settings)
    policies = tls_policies.assemble(settings, db, resolver, contexts)
    exchangers = MailExchangers(resolver, settings.outbound_port, settings.hostname, policies)
    tracer = TraceRecorder(db)
    connections = OutgoingConnections(
        settings, exchangers, contexts, policies=policies, transcript=partial(traces.of_hop, tracer)
    )
    signer = Signer(settings, db)
    courier = Courier(
        db,
        settings,
        settler=Settler(db, settings),
        signer=signer,
        exchangers=exchangers,
        connections=connections,
    )
    leases = Leases(db, settings.lease_seconds)
    wakeup = Wakeup(settings.outbox_poll_interval)
    dispatcher = Dispatcher(db, settings, courier, leases, wakeup)
    respondent = Respondent(db, settings, exchangers, policies, signer)
    # A stranger's record names the URL: it must not lead to what only this machine can reach.
    outward = HttpClient(resolver, contexts.verifying, timeout=REPORT_SECONDS, may_ask=targets.may_be_asked)
    return OutboxProgram(
        dispatcher,
        leases,
        Janitor(db, leases, settings),
        Notifier(db, settings),
        connections,
        respondent,
        ImageFetcher(db, resolver, contexts.verifying),
        wakeup,
        policies,
        Reporting(db, resolver, outward, settings.hostname),
        Poster(db, resolver, contexts.verifying, keeps_calls=settings.webhook_calls_kept > 0),
        Teacher(db, settings),
        Digests(db, settings),
        Unsubscriber(db, resolver, contexts.verifying),
        Mover(db, settings),
        tracer,
    )


def deliver(
    settings: Settings, channel: socket.socket | None, serving: Callable[[], None], beat: Callable[[], None]
) -> int:
    """From opening the database to closing it; returns the exit status. `channel` leads to the filer, if there is one.

    `serving` is called whenever its loops have begun, `beat` as they come round. Raises ConfigError, DatabaseError.
    """
    db = Database.open(settings.database, timeout=settings.database_timeout, patient=True)
    try:
        with told("outbox", db), asyncio.Runner(loop_factory=event_loop.new) as runner:
            return runner.run(run(settings, db, Filer(channel) if channel else None, serving, beat))
    finally:
        db.close()


async def run(
    settings: Settings,
    db: Database,
    filer_client: Filer | None,
    serving: Callable[[], None] = nothing,
    beat: Callable[[], None] = nothing,
) -> int:
    """Serves until a signal ends it or the filer dies, and with other settings from each SIGHUP on; the exit code.

    `serving` and `beat` are those of `deliver`.
    """
    wishes = Wishes(asyncio.Event(), asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, wishes.stop.set)
    if reloading.is_heard():
        loop.add_signal_handler(signal.SIGHUP, wishes.renew.set)
    async with pulse.beating(beat):
        while (code := await serve(settings, db, filer_client, wishes, serving)) is None:
            wishes.renew.clear()
            settings = reloading.renewed(settings, log.get("outbox"))
    if filer_client:
        await filer_client.close()
    return code


@dataclass(frozen=True)
class Wishes:
    """What a signal asks for."""

    stop: asyncio.Event
    renew: asyncio.Event


async def serve(
    settings: Settings, db: Database, filer_client: Filer | None, wishes: Wishes, serving: Callable[[], None]
) -> int | None:
    """Runs every loop until a signal comes or the filer dies; the exit code, None to go on with other settings."""

    def started() -> None:
        maillog.started(_serves(settings), settings.source)
        serving()

    program = assemble(settings, db)
    tidy_wakeup = Wakeup(min(TIDY_SECONDS, settings.lease_seconds / 2))
    woken = [program.queue_wakeup]  # by each commit

    def commits() -> Wakeup:
        woken.append(Wakeup(settings.outbox_poll_interval, REST_SECONDS))
        return woken[-1]

    own_filter = judging.has_own_filter(settings)
    keeper = KeyKeeper(db, settings)
    gone, recorder = Departures(db, settings), ReturnRecorder(settings)
    kept_states = DestinationPersistence(db, settings, program.dispatcher.destinations, boot_clock)
    loops = [
        repeat("tidying", lambda: program.janitor.tidy(time.time()), tidy_wakeup),
        repeat("compacting", Compactor(db).round, Wakeup(compactor.ROUND_SECONDS)),
        repeat("keeping keys", lambda: keeper.tend(time.time()), Wakeup(key_keeper.TEND_SECONDS)),
        repeat("looking for users", lambda: gone.look(time.time()), Wakeup(departures.LOOK_SECONDS)),
        repeat("moving what users had", lambda: gone.carry_on(time.time()), commits()),
        repeat("telling of destinations", kept_states.round, Wakeup(persistence.ROUND_SECONDS)),
        repeat("telling webhooks", program.poster.run_once, program.poster.wakeup),
        repeat("telling senders", program.notifier.tell, Wakeup(settings.outbox_poll_interval)),
        repeat(
            "indexing",
            lambda: _until_done(lambda: indexer.run_once(db, recorder, settings=settings, own_filter=own_filter)),
            commits(),
        ),
        repeat("indexing anew", lambda: _until_done(lambda: search_keeper.sweep(db)), Wakeup(TIDY_SECONDS)),
        repeat("learning correspondents", lambda: _until_done(lambda: indexer.learn(db)), Wakeup(TIDY_SECONDS)),
        repeat("acting on lists", lambda: _until_done(lambda: _act(db)), commits()),
        repeat("learning junk", lambda: _until_done(program.teacher.run_once), commits()),
        repeat("telling of junk", lambda: _until_done(program.digests.run_once), Wakeup(digest.ROUND_SECONDS)),
        repeat("noting TLS", program.policies.flush, Wakeup(TIDY_SECONDS)),
        repeat("refreshing TLS policies", program.policies.refresh, Wakeup(tls_policies.REFRESH_SECONDS)),
        repeat("answering delivery checks", lambda: _until_done(program.respondent.run_once), commits()),
    ]
    loops.append(repeat("leaving lists", lambda: _until_done(program.unsubscriber.run_once), commits()))
    if settings.dkim_rotate_every:
        schedule = RotationSchedule(db, settings)
        wakeup = Wakeup(rotation_schedule.ROUND_SECONDS)
        loops.append(repeat("beginning rotations", lambda: schedule.round(time.time()), wakeup))
    if settings.doctor_daily:
        doctor = Doctor(db, settings)
        loops.append(repeat("examining", lambda: doctor.round(time.time()), Wakeup(ROUND_SECONDS)))
    loops.append(repeat("moving mail", program.mover.run_once, commits()))
    loops.append(repeat("tidying what was moved", program.mover.tidy, Wakeup(mover.TIDY_SECONDS)))
    if settings.image_proxy:
        loops.append(repeat("fetching images", lambda: _until_done(program.images.run_once), commits()))
    if settings.tls_reports:
        loops.append(repeat("reporting TLS", program.reporting.run_once, Wakeup(tls_reporting.ROUND_SECONDS)))
    if filer_client:
        loops.append(_file(Filing(db, filer_client), commits()))
        collector = HomeCollector(settings, filer_client)
        loops.append(repeat("collecting", collector.round, Wakeup(collecting.ROUND_SECONDS)))
    poller = Poller(settings.database, db.data_version, woken)
    async with poller.watching():
        code = await _until_stopped(program, loops, wishes, started)
    await asyncio.to_thread(program.mover.stop)
    await program.dispatcher.close()
    await program.connections.close()
    program.tracer.close()
    with contextlib.suppress(DatabaseError):
        await program.policies.flush()
    return code


async def _until_stopped(
    program: OutboxProgram, loops: list[Coroutine[Any, Any, None]], wishes: Wishes, started: Callable[[], None]
) -> int | None:
    """Runs the loops until there is a wish, or until one of them ends, as none does unless the filer is lost.

    It has `started` once each of them has begun.
    """
    claiming = asyncio.create_task(program.dispatcher.run())
    renewing = asyncio.create_task(program.leases.run())
    others = [asyncio.create_task(loop) for loop in loops]
    stopping, wished = asyncio.create_task(wishes.stop.wait()), asyncio.create_task(wishes.renew.wait())
    tasks = [claiming, renewing, *others, stopping, wished]
    await asyncio.sleep(0)
    started()
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    # The claimer first: it must not take more. The leases go on until the last delivery has ended.
    await _end(claiming)
    given_back, _ = await asyncio.gather(program.dispatcher.finish(FINISH_SECONDS), program.poster.stop())
    for task in [*others, renewing, stopping, wished]:
        await _end(task)
    for task in done - {stopping, wished}:
        maillog.ended_early(task.exception())
    if done == {wished} and not wishes.stop.is_set():
        return None
    maillog.stopped(given_back)
    return 0 if wishes.stop.is_set() else 1


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def repeat(name: str, work: Callable[[], Awaitable[object]], wakeup: Wakeup) -> None:
    """Does `work` at each wakeup, for ever. Trouble passes: the next round tries again. Raises FilerGone."""
    while True:
        try:
            await work()
        except DatabaseError as error:
            maillog.trouble(name, error)
        except FilerGone:
            raise
        except Exception:
            maillog.unforeseen(name)
        await wakeup.wait()


async def _until_done(work: Callable[[], Awaitable[int]]) -> None:
    while await work():
        pass


async def _act(db: Database) -> int:
    """Goes on with what users began on long lists, ends what cannot be undone any more, and wakes what was put off."""
    if not await db.apeek(lambda tx: steps.has_work(tx, time.time())):
        return 0
    return await asyncio.to_thread(steps.work_off, db, time.time())


async def _file(filing: Filing, wakeup: Wakeup) -> None:
    """Files new copies as they come, after those that went missing were looked for once."""
    with contextlib.suppress(DatabaseError):
        await filing.look_for_missing()
    await repeat("filing", lambda: _until_done(lambda: filing.run_once(time.time())), wakeup)


def _serves(settings: Settings) -> str:
    """The start line's own words for what this process does."""
    where = "foreign mail kept here (sandbox)" if settings.delivery == "sandbox" else "foreign mail by relay or MX"
    copies = f"copies below {settings.home_root}" if settings.file_copies else "no copies"
    return f"queue of {settings.database}, {settings.outbox_concurrency} at a time, {where}, {copies}"
