"""The one place that reaches below Streamlit's public API, and the minor versions on which that was tested.

Where another version has moved what is used here, what hangs on it is off and the server's log says so;
`tests/dashboard/test_streamlit_internals.py` says it of the version that is installed.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import streamlit
from streamlit import runtime

TESTED = ("1.67",)
# kinds of values in messages
JSON = ("json_value", "json_trigger_value")
NUMBERS = {"int_value", "double_value"}
# what is off, since Streamlit has changed what it hangs on, and how
broken: dict[str, str] = {}


@contextlib.contextmanager
def _or_without(what: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, AttributeError, TypeError) as error:
        broken[what] = f"{type(error).__name__}: {error}"
        logging.getLogger(__name__).exception(
            "Going on without %s. Streamlit is %s; tested are %s.", what, streamlit.__version__, ", ".join(TESTED)
        )


@cache
def refuse_forged_values() -> None:
    """Have values of widgets that no browser sends count as never sent, once.

    Streamlit hands a widget whatever kind of value a message holds, and what the widget raises ends the page.
    """
    with _or_without("a check of the values that browsers send"):
        from streamlit.runtime.state.session_state import Serialized, WStates  # noqa: PLC0415

        read = WStates.__getitem__
        # so that this fails here and not on a page
        WStates().states, WStates().widget_metadata

        def read_sound(held: WStates, id_: str) -> Any:
            sent, known = held.states[id_], held.widget_metadata.get(id_)
            try:
                if isinstance(sent, Serialized) and known is not None:
                    _check_value(sent.value, known.value_type)
                return read(held, id_)
            except Exception:  # noqa: BLE001 - no JSON, no such index, nested too deep
                raise KeyError(id_) from None

        WStates.__getitem__ = read_sound  # type: ignore[method-assign]


def _check_value(sent: Any, declared: str | None) -> None:
    """Raise a ValueError, or what JSON raises, for a value of another kind than the widget's own."""
    kind = sent.WhichOneof("value")
    # a widget that was cleared sends none
    if None not in (kind, declared) and kind != declared and {kind, declared} != NUMBERS:
        raise ValueError(kind)
    if kind in JSON:
        json.loads(getattr(sent, kind))


def session() -> str | None:
    """The id of the session whose page is being drawn, None outside a server."""
    with _or_without("the session of a visitor"):
        from streamlit.runtime.scriptrunner import get_script_run_ctx  # noqa: PLC0415

        context = get_script_run_ctx()
        return context.session_id if context is not None and runtime.exists() else None
    return None
