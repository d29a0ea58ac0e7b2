"""Prometheus' own tool reads our numbers, and our alerts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import Tally
from onifast_shared.metrics import exposition, store
from onifast_shared.metrics.declared import METRICS, MetricKind

from peers.unpacked import unpacked

pytestmark = pytest.mark.peers
MONITORING = Path(__file__).resolve().parents[2] / "docs/monitoring"


def _promtool(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(unpacked("prometheus") / "usr/bin/promtool"), *words]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_promtool_finds_nothing_wrong_with_the_numbers(settings: Settings, database: Database) -> None:
    tally = Tally()
    for metric in METRICS:
        labels = dict.fromkeys(metric.labels, "any")
        if metric.kind is MetricKind.COUNTER:
            tally.add(metric.name, 1, **labels)
        elif metric.kind is MetricKind.HISTOGRAM:
            tally.observe(metric.name, 0.02, quietly=False, **labels)
    database.write(lambda tx: store.add(tx, "smtpd", tally.take(), 1_700_000_000))
    found = _promtool("check", "metrics", given=exposition.page(settings, database))
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_promtool_takes_the_alerts_and_the_dashboards_questions(tmp_path: Path) -> None:
    found = _promtool("check", "rules", str(MONITORING / "alerts.yml"))
    assert found.returncode == 0, found.stdout + found.stderr
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    asked = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": each} for number, each in enumerate(asked)]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    found = _promtool("check", "rules", str(file))
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(asked)} rules found" in found.stdout
