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

    The server has to listen to this machine only, and page and connection have to be opened at its name with nothing
    but what browsers send: behind a proxy on the same machine every visitor comes from it, but under the proxy's name
    or with its headers. A proxy that hides both is told apart by `TELLTALE_LOCAL=no` alone.
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
