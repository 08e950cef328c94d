"""Widgets set to what no browser would send, on every page: that reveals nothing, and breaks nothing for others."""

import contextlib
import random

import pytest
from google.protobuf.descriptor import FieldDescriptor
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.homes import ROOT
from tests.dashboard.conftest import PAGES
from tests.server import running_server
from tests.shared import in_a_thread
from tests.visitor import Trouble, Visitor

pytestmark = pytest.mark.slow
RUN = "tiny@made-test"
TEXTS = (
    "", "nonsense", "-1", "1e400", "\0", "null", "[]", "{}", "9" * 400, "../../etc/passwd", "x" * 100_000, "[" * 2000,
    '{"selection": {"rows": [-1, 99999999, null], "columns": [{}], "cells": [[1]]}}', '{"selection": 7}',
    '[{"event": "pick", "value": [1, "a", {}]}]', '[{"event": 3, "value": -99999999999}]',
)  # fmt: skip
NUMBERS = (0, -1, 1, 7, 2**31, -(2**53))
VALUES = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_DOUBLE: (*map(float, NUMBERS), 0.5, 1e308, float("inf"), float("nan")),
    FieldDescriptor.CPPTYPE_INT64: NUMBERS,
    FieldDescriptor.CPPTYPE_BOOL: (True, False),
}
# of widgets that are nowhere
NOBODYS = ("", "nobody's", "url.run", "$$ID-0-url.run", "$$STREAMLIT_INTERNAL_KEY_x__events", "\0", "x" * 10_000)


def fill(message, field, chance):
    """Set a field to a value of the kind that it can hold, and most fields of a message within it."""
    if field.message_type is not None:
        inner = getattr(message, field.name)
        inner = inner.add() if field.is_repeated else inner
        inner.SetInParent()
        for part in field.message_type.fields:
            if chance.random() < 0.8:
                fill(inner, part, chance)
    elif field.cpp_type in VALUES:
        value = chance.choice(VALUES[field.cpp_type])
        if field.type == FieldDescriptor.TYPE_BYTES:
            value = value.encode()
        if field.is_repeated:
            getattr(message, field.name).extend([value] * chance.choice((1, 2, 1000)))
        else:
            setattr(message, field.name, value)


async def wrong_with(address, page, chance):
    """What a forgery on this page reveals to whoever sends it, and what it breaks for somebody else."""
    messages = []

    def note(message):
        if not message.HasField("new_session"):
            messages.append(message.SerializeToString())

    path = "" if page == PAGES[0] else page
    async with Visitor(address) as visitor, Visitor(address) as other:
        visitor.on_message = note
        await visitor.open(path, run=RUN)
        await visitor.still(1.5, 30.0)
        ids = [
            (prefix.format(widget.id), fragment)
            for kind, widget, fragment in visitor.widgets()
            for prefix in ("{}", "$$STREAMLIT_INTERNAL_KEY_{}__events")[: 1 + (kind == "bidi_component")]
            # the server would fetch something
            if getattr(widget, "label", "") != "From GitHub"
        ]
        id_, fragment = chance.choice(ids) if ids and chance.random() < 0.9 else (chance.choice(NOBODYS), "")
        state = WidgetState(id=id_)
        fill(state, chance.choice([field for field in WidgetState.DESCRIPTOR.fields if field.name != "id"]), chance)
        # it may end the page of its sender
        with contextlib.suppress(Trouble):
            await visitor.send_state(state, fragment)
        await other.open(path, run=RUN)
        secrets = (b"Traceback", str(ROOT).encode(), b"site-packages")
        problems = [f"reveals {secret!r}" for secret in secrets if any(secret in message for message in messages)]
        problems += [trouble for trouble in other.troubles if not trouble.startswith("an error box")]
    return [f"{page}, {str(state).strip()[:300]!r}: {problem}" for problem in problems]


async def attack(address, count):
    """What went wrong with so many forgeries, a line each."""
    chance = random.Random(0)
    return [line for number in range(count) for line in await wrong_with(address, PAGES[number % len(PAGES)], chance)]


def test_forgeries_reveal_nothing_and_break_nothing(pristine, tmp_path):
    with running_server(pristine, tmp_path / "cache", log=tmp_path / "log") as (address, _):
        assert in_a_thread(attack(address, 30)) == []
