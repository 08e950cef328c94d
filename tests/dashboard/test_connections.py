"""Connections that ask for nothing: against a real server with few descriptors."""

import contextlib
import os
import socket
import sys

import pytest

from tests.server import free_port, started
from tests.shared import in_a_thread
from tests.visitor import Visitor

pytest.importorskip("resource")
# that the server may open, and connections that a stranger opens
DESCRIPTORS = 160
CONNECTIONS = 200
# half a head, and half a second one
BEGINNINGS = (b"GET / HTTP/1.1\r\nX-", b"GET /_stcore/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET")


def test_they_are_closed_and_visitors_come_in(made_home, tmp_path):
    log = tmp_path / "log"
    port = free_port()
    serve = [sys.executable, "-m", "dashboard", "--server.headless", "true", "--server.port", str(port)]
    command = ["bash", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "bash", *serve]
    environment = os.environ | {"TELLTALE_HOME": str(made_home), "TELLTALE_CACHE": str(tmp_path)}

    async def visit(address):
        async with Visitor(address) as visitor:
            await visitor.open("detectors", run="tiny@seen-test")
            return visitor.troubles

    with started(command, port, log, environment=environment) as (address, _), contextlib.ExitStack() as open_ones:
        for number in range(CONNECTIONS):
            opened = open_ones.enter_context(socket.create_connection(("localhost", port), timeout=60))
            opened.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        assert in_a_thread(visit(address)) == []
    said = log.read_text()
    assert "Traceback" not in said
    assert "No connection more can be accepted" in said
