"""Refuse connections beyond this machine, in the tests and in every Python process that they start.

Python imports a module of this name at its start; `tests/conftest.py` puts its folder on their path. Whatever is
refused is also written to the file that `TELLTALE_REFUSED` names, because the code under test may handle the error.
"""

import ipaddress
import os
import socket

REFUSED = "TELLTALE_REFUSED"
# Ray asks the metadata service of a cloud at its start, whatever it is told: refused, but nobody's fault here
METADATA = ("169.254.169.254", "metadata.google.internal")
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def is_here(host):
    """Check whether a host is this machine, by its name or address."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name in ("localhost", "0.0.0.0", "::", socket.gethostname()):  # noqa: S104
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or _is_own(name, address.version)


def _is_own(name, version):
    """Check whether an address is one of this machine's: only those can be bound."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((name, 0))
        except OSError:
            return False
    return True


def check(host):
    """Raise a ConnectionRefusedError, and write down the attempt, for any other machine."""
    if is_here(host):
        return
    if (file := os.environ.get(REFUSED)) and host not in METADATA:
        with open(file, "a", encoding="utf-8") as log:  # noqa: PTH123 - imported at the start of every process
            log.write(f"{host}\n")
    raise ConnectionRefusedError(f"tests open no connection to {host}")


def _checked(connection, address):
    # a datagram's connect sends nothing, and is how libraries learn the machine's own address
    if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type != socket.SOCK_DGRAM:
        check(address[0])


def connect(self, address):
    """`socket.connect` to this machine alone."""
    _checked(self, address)
    _connect(self, address)


def connect_ex(self, address):
    """`socket.connect_ex` to this machine alone."""
    _checked(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host, *rest, **named):
    """`socket.getaddrinfo` of this machine alone."""
    check(host)
    return _getaddrinfo(host, *rest, **named)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
