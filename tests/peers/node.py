"""Node, and nodemailer in it: what JavaScript applications send mail with."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from peers.unpacked import unpacked

_PATIENCE = 60.0  # seconds

_PROGRAM = """\
const nodemailer = require('nodemailer');
const { transport, messages } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const transporter = nodemailer.createTransport({ ...transport, logger: true, debug: true });
(async () => {
  for (const message of messages) {
    const info = await transporter.sendMail(message);
    console.log(JSON.stringify({ accepted: info.accepted, response: info.response }));
  }
  transporter.close();
})().catch((error) => { console.log(String(error)); process.exit(1); });
"""


class Run(NamedTuple):
    """What a run of Node came to: its exit *status* (0 is success) and its *output*, with the dialogue."""

    status: int
    output: str


def nodemailer(transport: Mapping[str, Any], *messages: Mapping[str, Any]) -> Run:
    """Sends *messages* in turn over one transport; both as nodemailer's documentation has them."""
    modules = unpacked("npm") / "node_modules"
    run = subprocess.run(
        [node(), "-e", _PROGRAM],
        input=json.dumps({"transport": transport, "messages": messages}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.defpath, "NODE_PATH": str(modules)},
        text=True,
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    return Run(run.returncode, run.stdout)


def node() -> Path:
    """The system's Node, or the one that tests/peers/install brought; raises FileNotFoundError."""
    if system := shutil.which("node"):
        return Path(system)
    own = unpacked("npm").parent / "node/bin/node"
    if not own.exists():
        raise FileNotFoundError("there is no node: run tests/peers/install")
    return own
