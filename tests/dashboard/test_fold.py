"""Parts that open on demand: nothing is drawn in a closed one, and the address says which are open."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.components.fold import unfold
from tests.dashboard.test_address import Params


def folded() -> None:
    """A page with two parts."""
    import streamlit as st

    from dashboard.components.fold import fold, forget_folds

    forget_folds()
    for name in ("first", "second"):
        with fold(name, f"The {name}?", "An answer.", explained=f"How the {name} was measured.") as opened:
            if opened:
                st.markdown(f"Inside the {name}.")


def opened(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown if element.value.startswith("Inside")]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("", []), ("first", ["first"]), ("first.second", ["first", "second"]), ("all", ["first", "second"]), ("<b>.", [])],
)
def test_the_address_says_what_is_open(asked: str, shown: list[str]) -> None:
    app = AppTest.from_function(folded)
    app.query_params["open"] = asked
    app.run()
    assert not app.exception
    assert [part.label for part in app.expander] == ["**The first?** An answer.", "**The second?** An answer."]
    assert opened(app) == [f"Inside the {name}." for name in shown]
    assert [one.value for one in app.caption] == [f"How the {name} was measured." for name in shown]


def test_a_page_can_open_a_part() -> None:
    def page() -> None:
        from dashboard.components.fold import unfold

        unfold("second")
        unfold("second")

    app = AppTest.from_function(page)
    app.query_params["open"] = "first"
    app.run()
    assert app.query_params["open"] == "first.second"


def test_a_part_opens_in_one_step_with_what_it_is_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    params = Params({"run": "r", "open": "first"})
    monkeypatch.setattr(st, "query_params", params)
    for _ in range(2):
        unfold("second", probe="detail")
    # also where it is open already
    unfold("second", probe=None)
    assert params.steps == [
        {"run": "r", "open": "first.second", "probe": "detail"},
        {"run": "r", "open": "first.second"},
    ]
