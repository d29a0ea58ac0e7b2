"""Free ports on loopback addresses."""

import random
import socket

# Below what Linux gives to clients' sockets (ip_local_port_range): else one of them takes it before its program does.
_PORTS = range(12_000, 32_000)
_ATTEMPTS = 100


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of *host* that nobody listens on now; for programs that cannot be given port 0.

    It is drawn by lot, so that test runs beside each other get different ones.
    """
    # Hypothesis seeds the common generator: all runs would draw the same.
    lot = random.SystemRandom()
    for port in lot.sample(_PORTS, _ATTEMPTS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port found on {host}")
