"""What sendmail left in homes, collected by the filer as the users that the homes belong to."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from onifast_outbox.filing import filer
from onifast_outbox.filing.collecting import HomeCollector
from onifast_outbox.filing.copies import Filer
from onifast_shared.machine.config import Listen, Settings
from onifast_shared.sendmail import waiting_files
from onifast_shared.sendmail.taking import SendmailEnvelope

from fakes.smtp_server import ScriptedSmtpServer

UID = 54321


@pytest.mark.root
async def test_each_message_is_handed_in_by_a_process_of_its_writers(settings: Settings, open_folder: Path) -> None:
    home = open_folder / "ann"
    home.mkdir()
    waiting_files.keep(home, SendmailEnvelope("ann@x.test", ("b@x.test",)), b"Subject: x\r\n\r\nx\r\n")
    for each in [home, *home.rglob("*")]:
        os.chown(each, UID, UID)
    shutil.copytree(home, open_folder / "root", dirs_exist_ok=True)
    channel = filer.start()
    filer.tell_home_root(channel, open_folder)
    ours = Filer(channel)
    with ScriptedSmtpServer() as server:
        heard = dataclasses.replace(settings, home_root=open_folder, smtp_listen=(Listen("0.0.0.0", server.port),))
        collector = HomeCollector(heard, ours)
        assert await collector.round() == 1
        (message,) = server.messages
    assert message.mail_from == "ann@x.test" and list((home / ".onifast/submit").iterdir()) == []
    assert len(list((open_folder / "root/.onifast/submit").iterdir())) == 1, "root's own home is not touched"
    await ours.close()
    await asyncio.to_thread(os.wait)
