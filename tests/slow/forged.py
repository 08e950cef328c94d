"""Widgets set to what no browser would send, on every page: that reveals nothing, and breaks nothing for others.

python -m tests.slow.forged [--count N] [--seed N]

Prints what went wrong, and how many of how many did; ends with status 1 where anything did.
"""

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.Common_pb2 import FileUploaderState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.runs.folders import ROOT
from tests.dashboard.conftest import PAGES
from tests.home import make_home
from tests.server import running_server
from tests.visitor import Trouble, Visitor

RUN = "tiny@made-test"
TEXTS = ("", "nonsense", "-1", "1e400", "\0", "[]", "{}", "9" * 400, "None", "../../etc/passwd", "x" * 100_000)
# buttons that are never pressed, because the server would fetch something
DOWNLOADS = ("From GitHub", "Download CIFAKE")
NUMBERS = (0.0, -1.0, 1e308, float("inf"), float("-inf"), float("nan"), 0.5, 7.0)
WHOLE = (0, -1, 1, 2**31, 2**53, -(2**53))
JSONS = (
    "", "{", "null", "[]", "{}", "7", '"a"', "[[]]", '{"selection": 7}', '{"selection": {"rows": "x", "points": 3}}',
    '{"selection": {"rows": [-1, 99999999, null], "columns": [{}], "cells": [[1]]}}', "NaN", "[" * 2000,
    '[{"event": "pick", "value": null}]', '[{"event": "nonsense", "value": {}}]', '[{"value": 1}]', "[7]",
    '[{"event": "pick", "value": [1, "a", {}]}]', '[{"event": 3, "value": -99999999999}]',
)  # fmt: skip
FILES = (FileUploaderState(), FileUploaderState())
FILES[1].uploaded_file_info.add(file_id="nobody's", name="\0", size=2**60)
# of widgets that are nowhere
NOBODYS = (
    "", "nobody's", "url.run", "upload.files", "run", "$$ID", "$$ID-", "$$ID-0-None", "$$ID-0-url.run",
    "$$STREAMLIT_INTERNAL_KEY", "$$STREAMLIT_INTERNAL_KEY_x__events",
    "$$STREAMLIT_INTERNAL_KEY_SCRIPT_RUN_WITHOUT_ERRORS", "\0", "x" * 10_000,
)  # fmt: skip
# what a browser would set each kind of widget with
OWN = {
    "selectbox": "string_value", "text_input": "string_value", "text_area": "string_value", "radio": "string_value",
    "button_group": "string_array_value", "multiselect": "string_array_value", "select_slider": "string_array_value",
    "slider": "double_array_value", "number_input": "double_value", "checkbox": "bool_value",
    "button": "trigger_value", "download_button": "trigger_value", "file_uploader": "file_uploader_state_value",
    "arrow_data_frame": "string_value", "plotly_chart": "string_value",
}  # fmt: skip


@dataclass(frozen=True)
class Forgery:
    """One value of one widget.

    Attributes:
        page: where the widget is.
        state: what is sent.
        fragment: that it is sent for.
        kind: of the widget.
    """

    page: str
    state: WidgetState
    fragment: str
    kind: str

    def __str__(self) -> str:
        return f"{self.page}, {self.kind}: {str(self.state).strip()[:300]!r}"


def values(id_: str) -> Iterator[WidgetState]:
    """Everything that a message can set a widget to, each kind of value with several that make no sense."""
    plain = {
        "trigger_value": (True,),
        "bool_value": (True, False),
        "double_value": NUMBERS,
        "int_value": WHOLE,
        "string_value": TEXTS,
        "json_value": JSONS,
        "json_trigger_value": JSONS,
        "bytes_value": (b"", b"\xff\xd8"),
    }
    for field, given in plain.items():
        for value in given:
            yield WidgetState(id=id_, **{field: value})
    arrays = {
        "double_array_value": ([], [0.5], [7.0, -7.0], [float("nan")] * 2, [0.0] * 1000),
        "int_array_value": ([], [-1], [0, 2**53], [1] * 1000),
        "string_array_value": ([], ["nonsense"], [""] * 1000, ["\0", "1e400"]),
    }
    for field, given in arrays.items():
        for value in given:
            state = WidgetState(id=id_)
            getattr(state, field).SetInParent()
            getattr(state, field).data.extend(value)
            yield state
    for files in FILES:
        yield WidgetState(id=id_, file_uploader_state_value=files)
    for field in ("arrow_value", "chat_input_value", "string_trigger_value"):
        state = WidgetState(id=id_)
        getattr(state, field).SetInParent()
        yield state
    # nothing at all
    yield WidgetState(id=id_)


async def _of_page(address: str, page: str) -> list[Forgery]:
    found = list[Forgery]()
    async with Visitor(address) as visitor:
        await visitor.open("" if page == PAGES[0] else page, run=RUN)
        await visitor.still(1.5, 30.0)
        for kind, widget, fragment in visitor.widgets():
            if getattr(widget, "label", "") in DOWNLOADS:
                continue
            ids = [widget.id]
            if kind == "bidi_component":
                ids.append(f"$$STREAMLIT_INTERNAL_KEY_{widget.id}__events")
            found += [Forgery(page, state, fragment, kind) for id_ in ids for state in values(id_)]
    return found


async def forgeries(address: str, count: int, seed: int) -> list[Forgery]:
    """So many forgeries, spread over pages, their widgets and the kinds of values, half of the widget's own kind."""
    chance, all_ = random.Random(seed), list[Forgery]()
    # a few at a time: each mostly waits for its page to be still
    for start in range(0, len(PAGES), 4):
        for found in await asyncio.gather(*(_of_page(address, page) for page in PAGES[start : start + 4])):
            all_ += found
    own = [
        one for one in all_ if one.state.WhichOneof("value") in (OWN.get(one.kind), "json_value", "json_trigger_value")
    ]
    unknown = [Forgery(page, WidgetState(id=id_, string_value="x"), "", "nothing") for page in PAGES for id_ in NOBODYS]
    all_ += unknown
    return (
        chance.sample(unknown, min(len(unknown), count // 10))
        + chance.sample(own, min(len(own), count // 2))
        + chance.sample(all_, min(len(all_), count - count // 2))
    )


async def wrong_with(address: str, forged: Forgery) -> list[str]:
    """What a forgery reveals to whoever sends it, and what it breaks for somebody else."""
    told: list[bytes] = []

    def note(message: ForwardMsg) -> None:
        if not message.HasField("new_session"):
            told.append(message.SerializeToString())

    page = "" if forged.page == PAGES[0] else forged.page
    async with Visitor(address) as visitor, Visitor(address) as other:
        visitor.on_message = note
        await visitor.open(page, run=RUN)
        # it may end the page of its sender
        with contextlib.suppress(Trouble):
            await visitor.send_state(forged.state, forged.fragment)
        await other.open(page, run=RUN)
        secrets = (b"Traceback", str(ROOT).encode(), b"site-packages")
        leaks = [f"reveals {secret!r}" for secret in secrets if any(secret in message for message in told)]
        return leaks + [trouble for trouble in other.troubles if not trouble.startswith("an error box")]


async def attack(address: str, count: int, seed: int) -> list[str]:
    """What went wrong with so many forgeries, a line each."""
    wrong = []
    for forged in await forgeries(address, count, seed):
        if found := await wrong_with(address, forged):
            wrong.append(f"{forged}: {found[0]}")
            print(wrong[-1], flush=True)
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Attack a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="telltale-forged-") as folder:
        home, cache = Path(folder) / "home", Path(folder) / "cache"
        make_home(home, cache)
        with running_server(home, cache, log=Path(folder) / "log") as (address, _):
            wrong = asyncio.run(attack(address, options.count, options.seed))
    print(f"{options.count} forged: {len(wrong)} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    sys.exit(main())
