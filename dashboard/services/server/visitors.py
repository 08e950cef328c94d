"""Visitors: whether one sits at this machine."""

import os
from urllib.parse import urlsplit

import streamlit as st

LOCAL = ("localhost", "127.0.0.1", "::1")
# "yes" or "no" says it of all visitors, whatever they send
SETTING = "TELLTALE_LOCAL"
# what browsers send when they open a page's connection; whatever else there is a proxy has added
BROWSERS = {
    "host", "connection", "upgrade", "origin", "user-agent", "accept", "accept-encoding", "accept-language", "cookie",
    "cache-control", "pragma", "priority", "dnt", "te", "referer",
}  # fmt: skip
BROWSERS_BEGIN = ("sec-websocket-", "sec-fetch-", "sec-ch-", "sec-gpc")


def is_local() -> bool:
    """Check whether the visitor sits at this machine, and so may name a path on it.

    The server must listen on a loopback address only, and the request must have a local host and origin and no headers
    but a browser's: behind a proxy on this machine every visitor has a local IP address, but the proxy's host name or
    extra headers. Against a proxy that hides both, only `TELLTALE_LOCAL=no` helps.
    """
    if (said := os.environ.get(SETTING, "").lower()) in ("yes", "no"):
        return said == "yes"
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    opened_at = [urlsplit(f"//{headers.get('host', LOCAL[0])}"), urlsplit(headers.get("origin", f"//{LOCAL[0]}"))]
    return (
        st.get_option("server.address") in LOCAL
        and st.context.ip_address in (None, *LOCAL)
        and all(place.hostname in LOCAL for place in opened_at)
        and all(name in BROWSERS or name.startswith(BROWSERS_BEGIN) for name in headers)
    )
