"""Whoever starts the server at their own machine sees it."""

import threading
import webbrowser
from typing import Any

import pytest
import streamlit as st

from dashboard.services.server.opening import open_browser, own_address

OPTIONS: dict[str, Any] = {"server.headless": False, "server.port": 8501, "server.address": "localhost"}


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "http://localhost:8501/"),
        ({"server.address": None}, "http://localhost:8501/"),
        ({"server.address": "0.0.0.0"}, "http://localhost:8501/"),  # noqa: S104
        ({"server.address": "fe80::1", "server.port": 80}, "http://[fe80::1]:80/"),
        ({"server.baseUrlPath": "/telltale/", "server.sslCertFile": "a.pem"}, "https://localhost:8501/telltale"),
    ],
)
def test_the_address(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], address: str) -> None:
    monkeypatch.setattr(st, "get_option", (OPTIONS | options).get)
    assert own_address() == address


@pytest.mark.parametrize("headless", [True, False])
def test_the_browser_is_opened_where_there_is_one(monkeypatch: pytest.MonkeyPatch, headless: bool) -> None:
    opened, done = [], threading.Event()
    monkeypatch.setattr(st, "get_option", (OPTIONS | {"server.headless": headless}).get)
    monkeypatch.setattr(webbrowser, "open", lambda address: (opened.append(address), done.set()))
    open_browser()
    if not headless:
        assert done.wait(10)
    assert opened == ([] if headless else ["http://localhost:8501/"])
