"""Charts that are built once."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.components import charts as figure_cache


@dataclass(frozen=True)
class Shown:
    """What a chart is given beside its table."""

    value: float


def test_equal_things_are_built_once_and_others_anew() -> None:
    built = []

    @partial(figure_cache.cached, most=2)
    def chart(frame: pd.DataFrame, *, shown: Shown) -> go.Figure:
        built.append(shown)
        return go.Figure().add_scatter(y=frame["y"])

    def table(last: float) -> pd.DataFrame:
        return pd.DataFrame({"y": [1.0, last], "name": ["one", "other"]})

    first = chart(table(2), shown=Shown(1))
    assert chart(table(2), shown=Shown(1)) is first
    other = chart(table(3), shown=Shown(1))
    assert list(other.data[0].y) == [1, 3]
    assert chart(table(2), shown=Shown(2)) is not first
    assert len(built) == 3
    # the oldest has gone
    assert chart(table(2), shown=Shown(1)) is not first
    assert len(built) == 4


def test_an_opened_run_is_known_by_its_stamp() -> None:
    @figure_cache.cached
    def chart(opened: SimpleNamespace) -> go.Figure:
        return go.Figure(layout={"title": opened.stamp})

    # its rows cannot be pickled, and need not be
    first = chart(SimpleNamespace(stamp="a", rows=lambda: None))
    assert chart(SimpleNamespace(stamp="a", rows=lambda: None)) is first
    assert chart(SimpleNamespace(stamp="b", rows=lambda: None)).layout.title.text == "b"


def test_who_asks_for_what_is_being_built_waits_for_it() -> None:
    begun, go_on, built = threading.Event(), threading.Event(), []

    @figure_cache.cached
    def build(number: int) -> list[int]:
        built.append(number)
        begun.set()
        assert go_on.wait(300)
        return [number]

    with ThreadPoolExecutor() as pool:
        several = [pool.submit(build, 3) for _ in range(4)]
        assert begun.wait(300)
        go_on.set()
        first, *others = [one.result() for one in several]
    assert built == [3]
    assert all(other is first for other in others)


def test_who_waits_for_one_who_is_stopped_builds_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit stops the run of a page by raising what is no `Exception`."""
    begun, waits, built = threading.Event(), threading.Event(), []

    class Watched(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            waits.set()
            return super().result(timeout)

    @figure_cache.cached
    def build(number: int) -> list[int]:
        built.append(number)
        if len(built) == 1:
            begun.set()
            assert waits.wait(300)
            raise SystemExit
        return [number]

    monkeypatch.setattr(figure_cache, "Future", Watched)
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(build, 3)
        assert begun.wait(300)
        other = pool.submit(build, 3)
        assert other.result() == [3]
        with pytest.raises(SystemExit):
            stopped.result()
    assert built == [3, 3]


def test_a_failure_is_not_kept() -> None:
    built = []

    @figure_cache.cached
    def build(number: int) -> int:
        built.append(number)
        if len(built) == 1:
            raise OSError("once")
        return number

    with pytest.raises(OSError, match="once"):
        build(1)
    assert [build(1), build(1)] == [1, 1]
    assert built == [1, 1]
