"""Real web servers in front of the webmail: Debian's nginx, Apache and Caddy, with the configurations of docs/proxy.md.

Each runs in the foreground from where ``tests/peers/install`` unpacked it, with its files in a temporary directory, on
a free port of 127.0.0.1; its workers as ``www-data``. Needs root.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peers.ports import free_port
from peers.unpacked import unpacked

_PATIENCE = 30.0  # seconds for starting and stopping, on a busy machine

_NGINX = """\
daemon off;
user www-data;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{text}
}}
"""

_APACHE = """\
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
User www-data
Group www-data
Listen 127.0.0.1:{port}
{modules}
StartServers 1
{text}
"""
_APACHE_MODULES = ("mpm_event", "authz_core", "alias", "headers", "ssl", "proxy", "proxy_http")


def _nginx(folder: Path, port: int, text: str) -> list[str]:
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, text=text))
    return [f"{unpacked('nginx')}/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def _apache(folder: Path, port: int, text: str) -> list[str]:
    root = unpacked("apache2-bin")
    modules = [f"LoadModule {name}_module {root}/usr/lib/apache2/modules/mod_{name}.so" for name in _APACHE_MODULES]
    text = text.replace("*:443", f"127.0.0.1:{port}")
    configuration = _APACHE.format(folder=folder, port=port, modules="\n".join(modules), text=text)
    (folder / "apache.conf").write_text(configuration)
    return [f"{root}/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]


def _caddy(folder: Path, port: int, text: str, certificate: str, key: str) -> list[str]:
    # Where no public authority signs, the certificate is named.
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}\n"
    text = text.replace("panel.example.com {\n", site, 1)
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + text)
    # It runs as www-data from the beginning, who need not see where it was unpacked.
    program = shutil.copy(unpacked("caddy") / "usr/bin/caddy", folder / "caddy")
    return [str(program), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@contextmanager
def running(kind: str, text: str, folder: Path, certificate: Path, key: Path) -> Iterator[str]:
    """Runs *kind* (nginx, apache or caddy) with a configuration of docs/proxy.md; gives the URL of its root.

    Raises AssertionError, with what it said, where it does not start.
    """
    folder.mkdir()
    folder.chmod(0o755)
    port = free_port()
    text = text.replace("/etc/ssl/panel/fullchain.pem", str(certificate))
    text = text.replace("/etc/ssl/panel/privkey.pem", str(key)).replace("panel.example.com;", "localhost;")
    commands: dict[str, Callable[[], list[str]]] = {
        "nginx": lambda: _nginx(folder, port, text),
        "apache": lambda: _apache(folder, port, text),
        "caddy": lambda: _caddy(folder, port, text, str(certificate), str(key)),
    }
    account = "www-data" if kind == "caddy" else None  # the others give up being root by themselves
    if account:
        shutil.chown(folder, account, account)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            commands[kind](),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            user=account,
            group=account,
            extra_groups=[] if account else None,
        )
    try:
        _wait(process, port, folder / "log")
        yield f"https://localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)
