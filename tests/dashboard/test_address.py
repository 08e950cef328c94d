"""Reading a URL parameter: what fits is taken, everything else is the default."""

from typing import Any

import pytest
import streamlit as st

from core.runs.browsing.filter import Filter
from dashboard.services.address import Setting, go


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (Setting("a", "x", choices=("x", "y")), "y", "y"),
        (Setting("a", "x", choices=("x", "y")), "z", "x"),
        (Setting("a", 5, kind=int, low=1, high=9), "9", 9),
        (Setting("a", 5, kind=int, low=1, high=9), "10", 5),
        (Setting("a", 5, kind=int, low=1, high=9), "2.5", 5),
        (Setting("a", 0.5, kind=float), "0.25", 0.25),
        (Setting("a", 0.5, kind=float), "nan", 0.5),
        (Setting("a", 0.5, kind=float), "inf", 0.5),
        (Setting("a", ""), "anything", "anything"),
        (Setting("a", "x", choices=("x",)), None, "x"),
    ],
)
def test_value(monkeypatch: pytest.MonkeyPatch, setting: Setting, text: str | None, value: object) -> None:
    monkeypatch.setattr(st, "query_params", {} if text is None else {"a": text})
    assert setting.value == value


def test_the_default_is_not_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    params: dict[str, str] = {"other": "1"}
    monkeypatch.setattr(st, "query_params", params)
    setting = Setting("a", 0.5, kind=float)
    setting.set(0.75)
    assert params == {"other": "1", "a": "0.75"}
    setting.set(0.5)
    assert params == {"other": "1"}


def test_going_takes_the_filter_and_what_belongs_to_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, dict[str, Any]]] = []
    carried = {"also": "probes.after", "pick": "a,b", "compare": "on", "tile": "large", "maps": "on"}
    monkeypatch.setattr(st, "query_params", {"run": "old", "page": "3", "seed": "7", **carried})
    monkeypatch.setattr(st, "switch_page", lambda page, query_params: opened.append((page, query_params)))
    go("inspect", run="new", wanted=Filter().choosing("label", ["FAKE"]), id="x")
    go("upload", run="new")
    assert opened == [
        ("views/inspect/page.py", {"run": "new", **carried, "true": "FAKE", "id": "x"}),
        ("views/upload/page.py", {"run": "new"}),
    ]
