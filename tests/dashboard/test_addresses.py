"""Addresses that were shared open the same view, whatever has been rebuilt since."""

import pytest

from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import with_more_filters

# page, parameters, and (kind of widget, key, its value) that they set
WIDGETS = (
    ("overview", {"cut": "0.25"}, ("slider", "url.cut", 0.25)),
    ("explore", {"sort": "-brightness"}, ("selectbox", "mistakes.sort", "-brightness")),
    ("mistakes", {"true": "FAKE"}, ("button_group", "filter.label", ["FAKE"])),
    ("inspect", {"methods": "lime,gradcam"}, ("multiselect", "methods.chosen", ["lime", "gradcam"])),
    ("inspect", {"lime.n_segments": "12"}, ("select_slider", "url.lime.n_segments", 12)),
    ("glossary", {"find": "margin"}, ("text_input", "url.find", "margin")),
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
