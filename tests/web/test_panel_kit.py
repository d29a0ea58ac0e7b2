"""docs/panel/: the kit for panels, its PHP and its Python, against the real program."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

from web.support import Live, deliver, give_address, queue

pytestmark = pytest.mark.peers

KIT = Path(__file__).parents[2] / "docs/panel"

PYTHON = """
import json, sys
sys.path.insert(0, sys.argv[1])
from onifast_mail import OnifastMail, OnifastMailError

mail = OnifastMail(sys.argv[2], token_file=sys.argv[3])
found = {"sso": mail.sign_on_url("demo", sys.argv[2] + "/", "/folders/inbox")}
found["users"] = [(row["username"], row["state"]) for row in mail.users(state="active")]
mail.add_domain("shop.test", "demo")
mail.add_address("info@shop.test", "demo")
found["changed"] = mail.change_address("info@shop.test", owner="maria", quota=5000)
found["addresses"] = [row["address"] for row in mail.addresses(owner="maria")]
found["many"] = len(list(mail.addresses(domain="many.test")))
mail.change_domain("shop.test", "maria")
found["domains"] = [row["domain"] for row in mail.domains(owner="maria")]
found["is_ready"] = mail.domain_dns("other.test")["is_ready"]
try:
    mail.remove_domain("shop.test")
except OnifastMailError as error:
    found["refused"] = [error.status, str(error)]
mail.remove_address("info@shop.test")
mail.remove_domain("shop.test", with_addresses=True)
found["quota"] = mail.set_user_quota("demo", 10**9)["bytes"]
found["counts"] = mail.counts("demo")["folders"]["inbox"]
queued = list(mail.queue("demo", status="pending"))
found["queue"] = [row["recipient"] for row in queued]
found["held"] = mail.act_on_queue([row["id"] for row in queued], "hold")["changed"]
found["usage"] = [(row["name"], row["sent_today"]["recipients"]) for row in mail.usage(owner="demo")]
found["of_domains"] = [row["name"] for row in mail.usage("domain", q="example")]
try:
    mail.add_address("x y", "nobody")
except OnifastMailError as error:
    found["fields"] = sorted(error.fields)
found["renamed"] = mail.rename_user("demo", "shop")["done"]
found["removed"] = mail.remove_user("shop")["done"]
found["restored"] = mail.restore_user("shop")["done"]
try:
    OnifastMail(sys.argv[2], token="wrong").counts("demo")
except OnifastMailError as error:
    found["wrong_token"] = error.status
try:
    OnifastMail("http://127.0.0.1:1", token="x").counts("demo")
except OnifastMailError as error:
    found["nobody_there"] = error.status
print(json.dumps(found))
"""

PHP = """<?php
require $argv[1] . '/OnifastMail.php';
$mail = new OnifastMail($argv[2], null, $argv[3]);
$column = fn (iterable $rows, string $name) => array_column(iterator_to_array($rows), $name);
$found = ['sso' => $mail->signOnUrl('demo', $argv[2] . '/', '/folders/inbox')];
foreach ($mail->users(['state' => 'active']) as $row) {
    $found['users'][] = [$row['username'], $row['state']];
}
$mail->addDomain('shop.test', 'demo');
$mail->addAddress('info@shop.test', 'demo');
$found['changed'] = $mail->changeAddress('info@shop.test', ['owner' => 'maria', 'quota' => 5000]);
$found['addresses'] = $column($mail->addresses(['owner' => 'maria']), 'address');
$found['many'] = iterator_count($mail->addresses(['domain' => 'many.test']));
$mail->changeDomain('shop.test', 'maria');
$found['domains'] = $column($mail->domains(['owner' => 'maria']), 'domain');
$found['is_ready'] = $mail->domainDns('other.test')['is_ready'];
try {
    $mail->removeDomain('shop.test');
} catch (OnifastMailError $error) {
    $found['refused'] = [$error->getCode(), $error->getMessage()];
}
$mail->removeAddress('info@shop.test');
$mail->removeDomain('shop.test', true);
$found['quota'] = $mail->setUserQuota('demo', 10 ** 9)['bytes'];
$found['counts'] = $mail->counts('demo')['folders']['inbox'];
$queued = iterator_to_array($mail->queue('demo', ['status' => 'pending']), false);
$found['queue'] = array_column($queued, 'recipient');
$found['held'] = $mail->actOnQueue(array_column($queued, 'id'), 'hold')['changed'];
foreach ($mail->usage('user', ['owner' => 'demo']) as $row) {
    $found['usage'][] = [$row['name'], $row['sent_today']['recipients']];
}
$found['of_domains'] = $column($mail->usage('domain', ['q' => 'example']), 'name');
try {
    $mail->addAddress('x y', 'nobody');
} catch (OnifastMailError $error) {
    $found['fields'] = array_keys($error->fields);
}
$found['renamed'] = $mail->renameUser('demo', 'shop')['done'];
$found['removed'] = $mail->removeUser('shop')['done'];
$found['restored'] = $mail->restoreUser('shop')['done'];
foreach (['wrong_token' => $argv[2], 'nobody_there' => 'http://127.0.0.1:1'] as $name => $server) {
    try {
        (new OnifastMail($server, 'wrong'))->counts('demo');
    } catch (OnifastMailError $error) {
        $found[$name] = $error->getCode();
    }
}
echo json_encode($found);
"""


def in_python(directory: Path, *arguments: str) -> Any:
    program = directory / "panel.py"
    program.write_text(PYTHON)
    return run(sys.executable, "-I", "-B", "-W", "error", str(program), *arguments)


def in_php(directory: Path, *arguments: str) -> Any:
    program = directory / "panel.php"
    program.write_text(PHP)
    strict = ("-d", "error_reporting=-1", "-d", "display_errors=stderr", "-d", "log_errors=0")
    return run("php", *strict, str(program), *arguments)


def run(*command: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("panel_of", [in_python, in_php], ids=["python", "php"])
def test_a_panel_does_its_work_by_the_kit(
    panel_of: Callable[..., Any], live: Live, settings: Settings, database: Database, tmp_path: Path
) -> None:
    deliver(database)
    queue(database, "a@remote.test", "b@remote.test")
    many = [(f"a{number}@many.test", "maria") for number in range(250)]  # more than a page
    database.write(lambda tx: tx.executemany("INSERT INTO mail_addresses (address, owner) VALUES (?, ?)", many))
    give_address(database, "second@example.test", "demo")
    found = panel_of(tmp_path, str(KIT), live.url, str(settings.panel_token_path))
    assert found.pop("sso").startswith(f"{live.url}/sso-login?token=")
    changed = found.pop("changed")
    assert (changed["owner"], changed["quota"]) == ("maria", 5000)
    assert len(found.pop("addresses")) == 252
    assert sorted(found.pop("held")) == sorted(range(1, 3))
    assert found == {
        "users": [["demo", "active"], ["maria", "active"], ["root-admin", "active"]],
        "many": 250,
        "domains": ["many.test", "other.test", "shop.test"],
        "is_ready": False,
        "refused": [409, "shop.test has 1 address; addresses=true removes them with it."],
        "quota": 10**9,
        "counts": {"total": 1, "unread": 1},
        "queue": ["b@remote.test", "a@remote.test"],
        "usage": [["demo", 2]],
        "of_domains": ["example.test"],
        "fields": ["address"],
        "renamed": True,
        "removed": True,
        "restored": True,
        "wrong_token": 403,
        "nobody_there": 0,
    }


SSO_PYTHON = """
import json, sys
sys.path.insert(0, sys.argv[1])
from onifast_mail import OnifastMail
print(json.dumps(OnifastMail.sign_on_url_by_file("demo", sys.argv[2] + "/", "/outbox", sys.argv[3])))
"""
SSO_PHP = """<?php
require $argv[1] . '/OnifastMail.php';
echo json_encode(OnifastMail::signOnUrlByFile('demo', $argv[2] . '/', '/outbox', $argv[3]));
"""


@pytest.mark.parametrize(("command", "program"), [(sys.executable, SSO_PYTHON), ("php", SSO_PHP)])
def test_the_kit_signs_on_by_file(
    command: str, program: str, client: FlaskClient, settings: Settings, tmp_path: Path
) -> None:
    (file := tmp_path / "program").write_text(program)
    settings.sso_dir.mkdir(0o770)
    url = run(command, str(file), str(KIT), "http://localhost", str(settings.sso_dir))
    (written,) = settings.sso_dir.iterdir()
    assert written.stat().st_mode & 0o777 == 0o640
    answer = client.get(url.removeprefix("http://localhost"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/outbox")
    assert client.get("/folders/inbox").status_code == 200
    assert list(settings.sso_dir.iterdir()) == []


def test_the_kit_is_one_file_without_dependencies(tmp_path: Path) -> None:
    module = runpy.run_path(str(KIT / "onifast_mail.py"))
    with pytest.raises(FileNotFoundError):
        module["OnifastMail"](token_file=str(tmp_path / "none"))
    assert sorted(path.name for path in KIT.iterdir() if path.is_file()) == ["OnifastMail.php", "onifast_mail.py"]
