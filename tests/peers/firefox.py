"""Debian's Firefox, driven by puppeteer-core in Node over WebDriver BiDi, since Playwright does not drive Debian's."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from peers.node import node
from peers.unpacked import unpacked

_FIREFOX = "/usr/bin/firefox-esr"
_PATIENCE = 300.0  # seconds


class Walk(NamedTuple):
    """What came of a script's paths: the names of those that went well, and in lines what went wrong."""

    done: list[str]
    problems: list[str]


def walk(script: Path, values: Mapping[str, Any], home: Path) -> Walk:
    """Runs a script that reads *values* and prints {name, problem, at} for each path, then {wrong: […]}.

    *home* is an empty directory for the profile.
    """
    run = subprocess.run(
        [node(), str(script)],
        input=json.dumps({"firefox": _FIREFOX, **values}),
        capture_output=True,
        text=True,
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "TMPDIR": str(home),
            "NODE_PATH": str(unpacked("npm") / "node_modules"),
            "MOZ_HEADLESS": "1",
        },
        timeout=_PATIENCE,
        check=False,
    )
    done, problems = [], []
    for line in run.stdout.splitlines():
        found = json.loads(line)
        if "wrong" in found:
            problems += found["wrong"]
        elif found["problem"]:
            problems.append(f"{found['name']}: {found['problem']} at {found['at']}")
        else:
            done.append(found["name"])
    if run.returncode != 0:
        problems.append(run.stderr[-2000:])
    return Walk(done, problems)
