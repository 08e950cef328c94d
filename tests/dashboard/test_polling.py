"""Parts of a page that come back by themselves: how often, what they say meanwhile, and that a real page ends whole."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.run import read_run
from dashboard.components.component import key_of
from dashboard.components.requests import waiting
from dashboard.jobs import JobStatus
from tests.benchmarks.visitor import Visitor, in_a_thread
from tests.server import running_server


def page(settings):  # type: ignore[no-untyped-def]  # its source is read without what is imported here
    """A part that comes back as often as the first of `settings` says."""
    import streamlit as st

    from dashboard.components.polling import come_back

    def draw() -> float | None:
        st.markdown("drawn")
        return settings[0]

    come_back(draw, key="part", while_busy=settings[1])


def pulses(app: AppTest) -> list[dict[str, Any]]:
    """What the elements were given that have their part drawn again."""
    found = (element.proto for element in app.get("bidi_component"))
    return [json.loads(one.json or one.mixed.json) for one in found if one.component_name.endswith("telltale_pulse")]


@pytest.mark.parametrize(
    ("after", "busy", "expected"), [(0.4, True, [0.4]), (2.5, True, [2.5]), (None, True, []), (0.4, False, [])]
)
def test_a_part_comes_back_as_often_as_it_says_and_once_each_time(
    after: float | None, busy: bool, expected: list[float]
) -> None:
    app = AppTest.from_function(page, args=([after, busy],), default_timeout=300).run()
    assert app.markdown[0].value == "drawn"
    first = pulses(app)
    assert [pulse["after"] for pulse in first] == expected
    # or the browser would take the next one for the same
    assert [pulse["beat"] for pulse in first] != [pulse["beat"] for pulse in pulses(app.run())] or not expected


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        (JobStatus("waiting", place=3, seconds_left=12.0), "Waiting, 3 before you, about 15 s left"),
        (JobStatus("waiting", place=1), "Waiting, 1 before you"),
        (JobStatus("waiting", seconds_left=4.2), "Waiting, you are next, about 5 s left"),
        (JobStatus("running", answer="rough", seconds_left=7.0), ""),
    ],
)
def test_the_place_and_the_time_are_said(standing: JobStatus, sentence: str) -> None:
    assert waiting(standing) == sentence


# so many samples take longer than the page itself waits for them
SLOW = {"lime.n_samples": "2048", "gradcam.layer": "layer2"}


def test_a_page_of_a_running_server_ends_whole_without_anybody_doing_anything(home: Path, tmp_path: Path) -> None:
    ids = list(read_run(home / "runs" / "tiny@seen-test").predictions["id"])

    async def inspect(address: str, id_: str) -> None:
        async with Visitor(address) as visitor:
            await visitor.open("inspect", run="tiny@seen-test", id=id_, **SLOW)
            files = [f"{key_of(method, 'tiny')}.files.npz" for method in ("lime", "gradcam")]

            async def whole() -> bool:
                # while the page is drawn again nothing is there, so it is looked at in one moment
                for _ in range(3000):
                    there = visitor.has("page.file") and not visitor.find("page.file")[0].disabled
                    if (there and all(map(visitor.has, files))) or visitor.troubles:
                        break
                    await asyncio.sleep(0.1)
                return bool(there) and all(map(visitor.has, files))

            assert await whole()
            # and stays so, though it may be drawn once more
            await visitor.still()
            assert await whole()
            said = [one.markdown.body for one, _ in visitor.elements.values() if one.HasField("markdown")]
            assert not visitor.troubles
            assert not any("once all explanations are complete" in text for text in said)

    async def together(address: str) -> None:
        await asyncio.gather(*(inspect(address, id_) for id_ in ids[:3]))

    log = tmp_path / "log"
    with running_server(home, tmp_path, log=log) as (address, _):
        in_a_thread(together(address))
    assert "Traceback" not in log.read_text()
