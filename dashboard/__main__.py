"""Serve Telltale: `python -m dashboard`, with the options of `streamlit run`, which sets no time limit to a request."""

import asyncio
import errno
import socket
from typing import Any

import click
import h11
import streamlit as st
import uvicorn
from streamlit.web import bootstrap
from streamlit.web.cli import main_run
from uvicorn.protocols.http.h11_impl import H11Protocol

# seconds within which a request must be here: its head, then its body, of up to 20 MB on a slow line
LIMITS = {h11.IDLE: 10.0, h11.SEND_BODY: 300.0}
# seconds within which a browser must answer a ping
PING = 30.0


class PunctualProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, but a connection whose request is not whole in time is closed."""

    _awaited: object = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._expect(None)

    def _watch(self) -> None:
        # a page's connection has another protocol from its first message on, which pings
        is_page = self.transport.get_protocol() is not self
        self._expect(None if is_page else self.conn.their_state)

    def _expect(self, part: object) -> None:
        """Set the deadline of a part of a request; what comes in small pieces does not move it."""
        if part is self._awaited:
            return
        self._awaited = part
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if part in LIMITS:
            self._deadline = self.loop.call_later(LIMITS[part], self.transport.close)


def listen(address: str, port: int) -> socket.socket:
    """Listen to a port.

    Raises:
        click.ClickException: another program does, or this one may not.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        sentence = f"{address}:{port} cannot be listened to ({reason}); name another with --server.port"
        raise click.ClickException(sentence) from None


def serve(**options: Any) -> None:
    """Serve the dashboard until it is stopped."""
    bootstrap.load_config_options(options)
    # its routes depend on the options
    from dashboard.app import app  # noqa: PLC0415
    from dashboard.visitors import own_address  # noqa: PLC0415

    ping = st.get_option("server.websocketPingInterval") or PING
    config = uvicorn.Config(
        app,
        http=PunctualProtocol,
        ws="websockets-sansio",
        ws_max_size=st.get_option("server.maxMessageSize") << 20,
        ws_ping_interval=ping,
        ws_ping_timeout=ping,
        ws_per_message_deflate=st.get_option("server.enableWebsocketCompression"),
        ssl_certfile=st.get_option("server.sslCertFile"),
        ssl_keyfile=st.get_option("server.sslKeyFile"),
        access_log=False,
        use_colors=False,
    )
    listening = listen(st.get_option("server.address"), st.get_option("server.port"))
    click.echo(f"Telltale is at {own_address()}")
    uvicorn.Server(config).run(sockets=[listening])


main = click.Command(
    "telltale serve",
    params=[option for option in main_run.params if isinstance(option, click.Option)],
    callback=serve,
    help="Serve the dashboard.",
)

if __name__ == "__main__":
    main()
