"""The browser of whoever has started the server."""

import threading
import webbrowser

import streamlit as st

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, never listened to


def open_browser() -> None:
    """Show the pages to whoever has started the server, unless it was started to serve others.

    `streamlit run` does so for a script alone, and not for what is served as an app.
    """
    if not st.get_option("server.headless"):
        # a browser in a terminal would hold up the server
        threading.Thread(target=webbrowser.open, args=(own_address(),), name="browser", daemon=True).start()


def own_address() -> str:
    """The address at which this machine reaches the server."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    host = st.get_option("server.address") or "localhost"
    host = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{host}:{st.get_option('server.port')}/{base}"
