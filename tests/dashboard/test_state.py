"""The address as state: what fits is taken, what is written is one step to go back, and what was shared still opens."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.runs.filter import Filter
from dashboard.state import Setting, follow_former_names, put_all, show_images
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import with_more_filters


class Params(dict):
    """The parameters of an address; `steps` is what each change of them leaves in the browser's history."""

    def __init__(self, said):
        super().__init__(said)
        self.steps = []

    def to_dict(self):
        return dict(self)

    def from_dict(self, params):
        self.clear()
        self.update(params)
        self.steps.append(dict(self))


LETTER = Setting("a", "x", choices=("x", "y"))
NUMBER = Setting("a", 5, kind=int, low=1, high=9)
SHARE = Setting("a", 0.5, kind=float)


@pytest.mark.parametrize(
    "setting, text, value",
    [
        (LETTER, "y", "y"),
        (LETTER, "z", "x"),
        (NUMBER, "9", 9),
        (NUMBER, "10", 5),
        (NUMBER, "2.5", 5),
        (SHARE, "0.25", 0.25),
        (SHARE, "nan", 0.5),
        (SHARE, "inf", 0.5),
        (Setting("a", ""), "anything", "anything"),
        (LETTER, None, "x"),
    ],
)
def test_value(monkeypatch, setting, text, value):
    monkeypatch.setattr(st, "query_params", {} if text is None else {"a": text})
    assert setting.value == value


def test_several_parameters_are_one_step_and_none_where_nothing_changes(monkeypatch):
    params = Params({"run": "r", "open": "a", "seed": "7", "of": "FAKE"})
    monkeypatch.setattr(st, "query_params", params)
    put_all({"open": "a.b", "seed": None, "of": "", "page": "2", "absent": None})
    put_all({"open": "a.b", "seed": None})
    assert params.steps == [{"run": "r", "open": "a.b", "page": "2"}]


def test_showing_images_takes_the_filter_and_what_belongs_to_it_along(monkeypatch):
    opened = []
    carried = {"also": "probes.after", "pick": "a,b", "tile": "large", "maps": "on"}
    monkeypatch.setattr(st, "query_params", {"run": "old", "page": "3", "seed": "7", **carried})
    monkeypatch.setattr(st, "switch_page", lambda page, query_params: opened.append((page, query_params)))
    show_images("new", Filter().choosing("label", ["FAKE"]), id="x")
    show_images("new", id="x")
    assert opened == [
        ("views/mistakes.py", {"run": "new", **carried, "true": "FAKE", "id": "x"}),
        ("views/mistakes.py", {"run": "new", "id": "x"}),
    ]


def test_an_address_with_former_names_is_followed_in_one_step(monkeypatch):
    params = Params(
        {
            "run": "a@b",
            "transfer.depends": "0..1",
            "sort": "-stability.noise_turns",
            "also": "sanity.a,agreement.rank,probes.blur_margin",
            "note": "agreement.rank",
        }
    )
    monkeypatch.setattr(st, "query_params", params)
    follow_former_names()
    follow_former_names()
    assert params.steps == [
        {
            "run": "a@b",
            "out_of_distribution.depends_share": "0..1",
            "sort": "-stability.is_flipped_by_noise",
            "also": "randomisation.a_rank,agreement.lime_rank,probes.blur_margin",
            "note": "agreement.rank",
        }
    ]


def settings_app():
    """Draw a widget of each kind, and what the settings are."""
    import streamlit as st

    from dashboard.state import Setting

    off = Setting("a", "off", choices=("on", "off")).toggle("Off", help="Off at first.")
    on = Setting("b", "on", choices=("on", "off")).toggle("On")
    letter = Setting("c", "x", choices={"x": "First", "y": "Second"}).choose("Letter", help="One of two.")
    number = Setting("d", 2, choices=(1, 2), kind=int).choose("Number", st.selectbox)
    st.caption(f"{off} {on} {letter} {number}")


def test_widgets_show_and_set_the_address():
    app = AppTest.from_function(settings_app)
    app.query_params["c"] = "y"
    app.run()
    off, on = app.toggle
    letter = app.segmented_control(key="url.c")
    number = app.selectbox(key="url.d")
    widgets = (off, on, letter, number)
    assert [widget.label for widget in widgets] == ["Off", "On", "Letter", "Number"]
    assert [widget.value for widget in widgets] == [False, True, "y", 2]
    assert letter.options == ["First", "Second"]
    assert number.options == ["1", "2"]
    assert off.help == "Off at first."
    assert letter.help == "One of two."
    assert letter.proto.required
    assert app.caption[0].value == "False True y 2"
    for widget, value in zip(widgets, (True, False, "x", 1), strict=True):
        widget.set_value(value)
    app.run()
    assert app.caption[0].value == "True False x 1"
    assert dict(app.query_params) == {"a": "on", "b": "off", "d": "1"}
    app.toggle(key="url.a").set_value(False).run()
    assert "a" not in app.query_params


# page, parameters, and (kind of widget, key, its value) that they set
WIDGETS = (
    ("overview", {"cut": "0.25"}, ("slider", "url.cut", 0.25)),
    ("explore", {"sort": "-brightness"}, ("selectbox", "mistakes.sort", "-brightness")),
    ("mistakes", {"true": "FAKE"}, ("button_group", "filter.label", ["FAKE"])),
    ("inspect", {"methods": "lime,gradcam"}, ("multiselect", "methods.chosen", ["lime", "gradcam"])),
    ("inspect", {"lime.n_segments": "12"}, ("select_slider", "url.lime.n_segments", 12)),
)


@pytest.mark.parametrize("page, params, expected", WIDGETS, ids=lambda case: str(case)[:40])
def test_a_parameter_sets_its_widget(open_page, page, params, expected):
    kind, key, value = expected
    app = open_page(page, **params)
    if key.startswith("filter."):
        app = with_more_filters(app)
    assert getattr(app, kind)(key=key).value == value


# parameters of parts that were folded, drawn or chosen otherwise: the page opens, and says nothing is wrong
OLD = (
    ("evidence", {"open": "probe.ranking", "probe": "lowpass", "order": "most", "all": "yes", "picture": "2"}),
    ("evidence", {"open": "probe", "probe": "lowpass", "by": "cell", "strength": "12"}),
    ("patterns", {"open": "cards", "space": "maps", "verdict": "REAL", "order": "size", "drag": "lasso"}),
    ("data", {"open": "copies.spectrum", "side": "in_set", "pairs": "24"}),
    ("trust", {"open": "faithfulness", "by": "cell", "filled": "blur"}),
    ("upload", {"tiles": "on", "others": "on", "filter": "bicubic"}),
    ("compare", {"versus": "nobody@seen-test", "more": "margins"}),
    ("maps", {"open": "sanity.transfer", "fold_one_colour": "true"}),
)


@pytest.mark.parametrize("page, params", OLD, ids=lambda case: str(case)[:40])
def test_an_old_address_opens(open_page, home, page, params):
    add_studies(home, "probes")
    app = open_page(page, **params)
    assert not app.error


def test_a_filter_by_a_study_or_column_of_a_former_name_is_the_same_filter(open_page, home):
    add_studies(home, "single_sign")
    filters = [
        open_page("explore", **{one_sign: "yes", "sort": f"-{segments}"})
        for one_sign, segments in (
            ("single_sign.is_paper_one_sign", "single_sign.paper_segments_count"),
            ("single_sign.paper_one_sign", "single_sign.paper_segments"),
            ("one_colour.paper_one_sign", "one_colour.paper_segments"),
        )
    ]
    assert filters[0].query_params == filters[1].query_params == filters[2].query_params
