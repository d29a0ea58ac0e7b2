"""What the running program does beside delivering: it ends rotations of keys, and tells webhooks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.rotation import Rotations
from onifast_shared.machine.config import Settings
from onifast_shared.webhooks import store

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.https_server import HttpsServer, Page
from fakes.smtp_server import ScriptedSmtpServer

from .programs import Program, insert


def test_a_rotation_ends_and_a_delivery_is_told(
    run: Callable[..., Program], settings: Settings, dns: DnsServer, port: int, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    database = Database.open(settings.database)
    dkim_keys.generate(settings.certs_dir, "here.test")
    begun = Rotations(database, settings).begin("here.test", time.time())
    for row in begun.rows:
        dns.set(f"{row.selector}._domainkey.here.test", "TXT", row.value)
    with (
        ScriptedSmtpServer(host="127.0.0.25", port=port) as peer,
        HttpsServer(authority.issue("127.0.0.1").server_context()) as hooks,
    ):
        hooks.pages["/told"] = Page()
        url = f"https://127.0.0.1:{hooks.port}/told"
        database.write(lambda tx: store.create(tx, None, url, ["delivered"], time.time()))
        database.close()
        program = run(dkim_publish_wait="0s", outbound_tls_ca=str(authority._path))
        program.wait_for("dkim-key-switched domain=here.test")
        insert(settings, "bob@remote.test")
        while not hooks.asked:
            assert program.process.poll() is None, program.lines
            time.sleep(0.02)
        (message,) = peer.messages
    (new,) = (row.selector for row in begun.in_state("publishing"))
    assert f" s={new};".encode() in message.data
    assert json.loads(hooks.asked[0].body)["data"]["recipient"] == "bob@remote.test"
    assert program.stop() == 0
