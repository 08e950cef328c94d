"""The methods side by side, their settings, and the drawing of maps: all read from the address.

Choices and widgets come from the registry of explainers and from the metadata of their settings.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.detectors.manifest import About
from core.explainers.drawing import Style
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.registry import default_explainers, explainers
from core.explainers.settings import SettingField, describe
from core.images import labels
from dashboard.components.words import THE_PAPER, explain, terms_in
from dashboard.jobs import ExplainRequest
from dashboard.state import Setting, put_all

# methods side by side
MOST = 3
METHODS = Setting("methods", "")
PALETTE = Setting(
    "palette",
    "class",
    {"class": "Blue for REAL, orange for FAKE", "paper": "Green for the verdict, red against (the paper's)"},
)
OPACITY = Setting("opacity", labels.OPACITY, kind=float, low=0.1, high=1.0)
DRAWING = Setting("draw", "overlay", {"overlay": "over the grey picture", "alone": "alone"})
# characters up to which choices form a row of buttons; beyond that, a select box
ROW = 40
# the setting whose time is estimated
SAMPLES = "n_samples"


def chosen_methods(offers: About) -> tuple[AnyExplainer, ...]:
    """Return the methods that stand side by side, of those that can explain a detector."""
    offered = {method.name: method for method in explainers(offers)}
    chosen = [offered[name] for name in dict.fromkeys(METHODS.value.split(",")) if name in offered]
    return tuple(chosen[:MOST]) or default_explainers(offers)


def style_now() -> Style:
    """Return the style that the page's controls set."""
    return Style(PALETTE.value, OPACITY.value, drawing=DRAWING.value)


def request_of(explainer: AnyExplainer, offers: About) -> ExplainRequest:
    """Return the request that the address makes of a detector: a method, and its settings."""
    values = {field.name: parameter(explainer, field).value for field in describe(explainer.settings, offers)}
    return ExplainRequest(explainer.name, explainer.settings(**values))


def parameter(explainer: AnyExplainer, field: SettingField) -> Setting:
    """Return the URL parameter of one setting of a method."""
    # without a limit of its own, no more than the widget offers: larger ones hold the one thread for all visitors
    high = field.high if field.high is not None else max(field.offers, default=math.inf)
    low = -math.inf if field.low is None else field.low
    name = f"{explainer.name}.{field.name}"
    return Setting(name, field.default, field.choices or None, kind=field.kind, low=low, high=high)


def draw_strip(methods: Sequence[AnyExplainer], offers: About, made: Mapping[str, Explanation]) -> None:
    """Draw the settings of methods that stand side by side: their numbers in a row, all else folded beneath it.

    Args:
        methods: those that are chosen.
        offers: what the detector offers.
        made: explanations that are there, by method, which tell how long others take.
    """
    with st.grid(len(methods), min_column_width=220, gap="medium") as grid:
        for explainer in methods:
            for field in _in_sight(explainer, offers):
                with grid.cell():
                    values = request_of(explainer, offers).settings.model_dump()
                    _draw_setting(explainer, field, values)
                    if field.name == SAMPLES and explainer.name in made:
                        _draw_estimate(made[explainer.name], values[SAMPLES])
    rest = st.expander("All settings, methods and colours", icon=":material/tune:", key="settings.all")
    with rest, st.grid(len(methods) + 1, min_column_width=220, gap="medium") as grid:
        for explainer in methods:
            with grid.cell():
                st.markdown(f"**{explainer.title}**")
                _draw_rest(explainer, offers)
        with grid.cell():
            st.markdown("**Every map**")
            _draw_drawing(offers)


def _draw_estimate(explanation: Explanation, samples: int) -> None:
    """Draw how long a number of samples takes, from an explanation that rests on some, unless it is under a second."""
    seconds = explanation.provenance.seconds / explanation.diagnostics.numbers["samples"]
    if seconds * samples >= 1:
        st.caption(f"{samples:,} samples take about {seconds * samples:.0f} s, each 100 more {100 * seconds:.1f} s.")


def _in_sight(explainer: AnyExplainer, offers: About) -> list[SettingField]:
    """Return the settings that a reader changes first: how the image is cut, then how often it is asked."""
    fields = [field for field in describe(explainer.settings, offers) if field.offers and not field.advanced]
    return fields[::-1]


def _draw_rest(explainer: AnyExplainer, offers: About) -> None:
    """Draw a method's presets, and the settings that are not in sight."""
    settings = request_of(explainer, offers).settings
    if explainer.presets:
        key = f"{explainer.name}.preset"
        names = {"": "adjustable"}
        about = []
        st.session_state[key] = ""
        for name, preset in explainer.presets.items():
            names[name] = preset.title
            about.append(f"**{preset.title.capitalize()}.** {preset.sentence}")
            if preset.matches(settings):
                # none has the settings of another
                st.session_state[key] = name
        st.segmented_control(
            "Settings",
            list(names),
            format_func=names.__getitem__,
            key=key,
            required=True,
            on_change=_apply_preset,
            args=(explainer, key),
            help="\n\n".join(about),
        )
    in_sight = _in_sight(explainer, offers)
    for field in describe(explainer.settings, offers):
        if field not in in_sight:
            _draw_setting(explainer, field, settings.model_dump())
    st.caption(f"At most about {explainer.cost(settings):,} forward passes of the detector.")


def _draw_drawing(offers: About) -> None:
    """Draw the choice of methods, and the controls of how all maps are drawn."""
    methods = explainers(offers)
    titles = {method.name: method.title for method in methods}
    st.session_state["methods.chosen"] = [method.name for method in chosen_methods(offers)]

    def choose() -> None:
        names = st.session_state["methods.chosen"]
        METHODS.set("" if names == [method.name for method in default_explainers(offers)] else ",".join(names))

    st.multiselect(
        "Methods side by side",
        list(titles),
        format_func=titles.__getitem__,
        max_selections=MOST,
        key="methods.chosen",
        on_change=choose,
        help="\n\n".join(f"**{method.title}**: {method.sentence}" for method in methods),
    )
    DRAWING.choose(
        "Maps",
        help="Over the picture without its colours, so that every colour is the map's; or the map alone.",
    )
    help = f"The paper ({THE_PAPER}) colours by what speaks for or against the verdict; here the colour is the class "
    PALETTE.choose("Colours", st.selectbox, help=f"{help}itself, so that blue means REAL on every page.")
    OPACITY.linked(
        st.slider,
        "Opacity of the maps",
        min_value=0.1,
        max_value=1.0,
        step=0.05,
        format="percent",
        disabled=DRAWING.value != "overlay",
    )


def _apply_preset(explainer: AnyExplainer, key: str) -> None:
    """Write a preset's settings, or the defaults without one, to the URL; a preset leaves the seed as it is."""
    preset = explainer.presets.get(st.session_state[key])
    values = (preset.settings if preset else explainer.settings()).model_dump()
    changes = {}
    for field in describe(explainer.settings):
        if not (preset and field.name == "seed"):
            setting = parameter(explainer, field)
            changes[setting.name] = setting.text_of(values[field.name])
    put_all(changes)


def _draw_setting(explainer: AnyExplainer, field: SettingField, values: Mapping[str, Any]) -> None:
    widget, options = _widget(field, values[field.name])
    terms = terms_in(field.label, *map(field.display, field.choices))
    help = explain(*terms, also=field.help)
    parameter(explainer, field).linked(widget, field.label, help=help, disabled=not field.applies(values), **options)


def _widget(field: SettingField, value: Any) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Choose a setting's widget: a row or list of choices, a slider through what is offered, or a field to write in."""
    if field.choices:
        options = {"options": list(field.choices), "format_func": field.display}
        if sum(len(field.display(choice)) for choice in field.choices) <= ROW:
            return st.segmented_control, options | {"required": True}
        return st.selectbox, options
    if field.offers:
        return st.select_slider, {"options": sorted({*field.offers, value}), "format_func": field.display}
    if field.kind is str:
        return st.text_input, {}
    low, high = (None if end is None else field.kind(end) for end in (field.low, field.high))
    return st.number_input, {"min_value": low, "max_value": high, "step": 1 if field.kind is int else None}
