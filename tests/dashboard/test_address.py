"""Reading a URL parameter: what fits is taken, everything else is the default."""

import pytest
import streamlit as st

from dashboard.address import Setting


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
