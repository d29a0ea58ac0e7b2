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
mail.add_address("bob@example.test", "demo")
mail.add_address("team@example.test", "demo")
password = mail.add_mailbox_user("bob@example.test", move_mail=True)["password"]
found["checked"] = mail.check_password("BOB@example.test", password, "192.0.2.7")
found["not_checked"] = mail.check_password("demo", "wrong")["matches"]
found["mailbox_user"] = mail.change_mailbox_user("bob@example.test", quota=5000)["quota"]
found["mailbox_users"] = [row["address"] for row in mail.mailbox_users(owner="demo")]
mail.add_shared_mailbox("team@example.test", ["demo"])
found["members"] = mail.change_shared_mailbox("team@example.test", members=["demo", "bob@example.test"])["members"]
found["shared"] = [row["address"] for row in mail.shared_mailboxes(domain="example.test")]
mail.remove_shared_mailbox("team@example.test", "delete")
mail.remove_mailbox_user("bob@example.test", "owner")
found["left"] = len(list(mail.mailbox_users())) + len(list(mail.shared_mailboxes()))
try:
    mail.add_user("carl")
except OnifastMailError as error:
    found["users_are_the_panels"] = error.status
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
$mail->addAddress('bob@example.test', 'demo');
$mail->addAddress('team@example.test', 'demo');
$password = $mail->addMailboxUser('bob@example.test', null, ['move_mail' => true])['password'];
$found['checked'] = $mail->checkPassword('BOB@example.test', $password, '192.0.2.7');
$found['not_checked'] = $mail->checkPassword('demo', 'wrong')['matches'];
$found['mailbox_user'] = $mail->changeMailboxUser('bob@example.test', ['quota' => 5000])['quota'];
$found['mailbox_users'] = $column($mail->mailboxUsers(['owner' => 'demo']), 'address');
$mail->addSharedMailbox('team@example.test', ['demo']);
$members = ['members' => ['demo', 'bob@example.test']];
$found['members'] = $mail->changeSharedMailbox('team@example.test', $members)['members'];
$found['shared'] = $column($mail->sharedMailboxes(['domain' => 'example.test']), 'address');
$mail->removeSharedMailbox('team@example.test', 'delete');
$mail->removeMailboxUser('bob@example.test', 'owner');
$found['left'] = iterator_count($mail->mailboxUsers()) + iterator_count($mail->sharedMailboxes());
try {
    $mail->addUser('carl');
} catch (OnifastMailError $error) {
    $found['users_are_the_panels'] = $error->getCode();
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
        "checked": {"matches": True, "username": "bob@example.test", "owner": "demo", "second_factor": False},
        "not_checked": False,
        "mailbox_user": 5000,
        "mailbox_users": ["bob@example.test"],
        "members": ["demo", "bob@example.test"],
        "shared": ["team@example.test"],
        "left": 0,
        "users_are_the_panels": 403,
        "renamed": True,
        "removed": True,
        "restored": True,
        "wrong_token": 403,
        "nobody_there": 0,
    }


WRITING_PYTHON = """
import json, sys
sys.path.insert(0, sys.argv[1])
from onifast_mail import OnifastMail

mail = OnifastMail(sys.argv[2], token_file=sys.argv[3])
made = mail.add_user("carl")["password"]
found = [mail.check_password("carl", made)["matches"]]
mail.set_user_password("carl", "correct horse battery")
found += [mail.check_password("carl", word)["matches"] for word in (made, "correct horse battery")]
mail.remove_user("carl", with_file=True)
print(json.dumps([*found, mail.check_password("carl", made)["matches"]]))
"""
WRITING_PHP = """<?php
require $argv[1] . '/OnifastMail.php';
$mail = new OnifastMail($argv[2], null, $argv[3]);
$made = $mail->addUser('carl')['password'];
$hash = json_decode(file_get_contents($argv[4] . '/carl.json'), true)['password'];
$found = [$mail->checkPassword('carl', $made)['matches'] && password_verify($made, $hash)];
$mail->setUserPassword('carl', 'correct horse battery');
$found[] = $mail->checkPassword('carl', $made)['matches'];
$found[] = $mail->checkPassword('carl', 'correct horse battery')['matches'];
$mail->removeUser('carl', true);
$found[] = $mail->checkPassword('carl', $made)['matches'];
echo json_encode($found);
"""


@pytest.mark.parametrize(("command", "program"), [(sys.executable, WRITING_PYTHON), ("php", WRITING_PHP)])
def test_the_kit_writes_users_where_the_setting_lets_it(
    command: str, program: str, writing: Live, settings: Settings, tmp_path: Path
) -> None:
    (file := tmp_path / "program").write_text(program)
    token, users = str(settings.panel_token_path), str(settings.users_dir)
    assert run(command, str(file), str(KIT), writing.url, token, users) == [True, False, True, False]
    assert not (settings.users_dir / "carl.json").exists()


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
