"""Parts of a page that come back by themselves: how often, what they say meanwhile, and that a real page ends whole."""

import asyncio
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.run import read_run
from dashboard.components.component import key_of
from dashboard.components.requests import waiting
from dashboard.jobs import JobStatus
from tests.benchmarks.visitor import Visitor, in_a_thread
from tests.server import running_server


def page(busy):  # type: ignore[no-untyped-def]  # its source is read without what is imported here
    """A part that is busy for the first draws."""
    import streamlit as st

    from dashboard.components.polling import poll

    def draw() -> bool:
        st.markdown("drawn")
        return bool(busy and busy.pop())

    poll(draw, while_busy=bool(busy))


@pytest.mark.parametrize("busy", [[], [True], [True, True, True]])
def test_a_part_ends_as_an_ordinary_part_of_the_page(busy: list[bool]) -> None:
    app = AppTest.from_function(page, args=(busy,), default_timeout=300).run()
    while busy:
        app.run()
    assert [element.value for element in app.markdown] == ["drawn"]
    assert not app.exception


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
