"""Free ports on loopback addresses."""

import os
import random
import socket

# Below what Linux gives to clients' sockets (ip_local_port_range): else one of them takes it before its program does.
_PORTS = range(12_000, 32_000)
_ATTEMPTS = 100

_given: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """Returns a TCP port of *host* that nobody listens on now; for programs that cannot be given port 0.

    None is given twice before all others were, and processes of one test run have ports of their own, since a program
    may take its time until it listens. It is drawn by lot, so that test runs beside each other get different ones.
    """
    # Hypothesis seeds the common generator: all runs would draw the same.
    lot = random.SystemRandom()
    ours = _ours()
    if len(_given) > len(ours) - _ATTEMPTS:
        _given.clear()
    for port in lot.sample([port for port in ours if port not in _given], _ATTEMPTS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise OSError(f"no free port found on {host}")


def _ours() -> range:
    """This process's share of the ports: pytest-xdist numbers its workers gw0, gw1 and so on."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT") or 1)
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return _PORTS[number::workers]
