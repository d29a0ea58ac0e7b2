"""Free ports on loopback addresses."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of *host* that nobody listens on now; for programs that cannot be given port 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
