"""The study `faithfulness` on the page Trust: whether the detector leans on what the explanations name."""

from collections.abc import Sequence

import streamlit as st

from core.findings.claims import Sign, sign_of
from core.findings.finding import Finding
from core.findings.numbers import signed
from core.findings.words import faithfulness as words
from core.perturbations.masking import FILLS as FILLINGS
from core.storage import ContractError
from core.studies.faithfulness_curves import DIRECTIONS, FILLS, leads, mean_curves
from core.studies.groups import By
from core.studies.result import StudyResult
from dashboard.components import charts
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import plain
from dashboard.components.study import cannot, numbers, refused, strong, study_of, summary
from dashboard.components.trust import group_words
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.trust_parts import curves

FILL = Setting("filled", "mean", choices=FILLS)
# told apart with every kind of colour blindness, and by the symbol without any
SYMBOLS: dict[Sign | None, str] = {1: "▲", -1: "▼", 0: "◇", None: "·"}
COLOURS: dict[Sign | None, str] = {1: "green", -1: "violet"}
WHAT = {"group": "verdict", "name": "method", "fill": "fill", "direction": "metric", "control": "best control"}


def conclusion(answer: StudyResult | None) -> str | None:
    """Whether the explanations can be trusted, None without the study."""
    if answer is None:
        return None
    try:
        told = words.trusted(answer.findings)
    except ContractError:
        # the part of the page that is about it says so
        return None
    return strong(told) if told else None


def draw(opened: Opened, by: By) -> None:
    """The table of all methods under all fills, and the curves behind it."""
    answer = study_of(opened, "faithfulness")
    if answer is None:
        return
    try:
        _draw_table(answer.findings)
        with fold(
            "faithfulness",
            "How far does the margin fall and rise?",
            "The curves of each method and of its controls, and every number.",
            explained="Faithfulness: parts of the image are filled in the order that an explanation gives (deletion), "
            "or shown in that order (insertion; Petsiuk et al. 2018). Where it is right the margin falls fast, and "
            "rises fast. Controls order the parts by chance, edges, place or size, or by another image's map, also as "
            "coarsely as the explanation does.",
            help=explain("Faithfulness", "Deletion and insertion", "Fill", "Margin", "Control"),
        ) as is_open:
            if is_open:
                _draw_curves(opened, answer, by)
                cannot(
                    "the detector was not made for filled images, so part of every fall is from the fill, not what "
                    "it covers; and a map that names the right place does not say what is there. The best control is "
                    "chosen on the same images, which favours it a little."
                )
                frame = summary(opened, answer, leads, by)
                numbers(opened, answer, frame, names=WHAT, key="faithfulness")
    except ContractError as error:
        refused(error)


def _draw_table(findings: Sequence[Finding]) -> None:
    """Draw a table per verdict, methods by fills: better or worse than the best control, deletion then insertion."""
    scored = [one for one in findings if one.quantity == "faithfulness"]
    st.caption(
        "Each map ranks the parts of an image. The most important are covered first (deletion, the first number) or "
        "shown first (insertion, the second), and the margin should follow more than under the best control, a ranking "
        "that knows nothing of the detector. Columns say what covers a part; numbers are differences in margin. "
        "▲ significantly better, ▼ significantly worse, ◇ neither; green where both are better, violet where both are "
        "worse. Methods in one row score alike."
    )
    with st.grid(2, min_column_width=340):
        for group in dict.fromkeys(str(one.group) for one in scored):
            mine = [one for one in scored if one.group == group]
            fills = list(dict.fromkeys(fill for one in mine for fill in one.details["fills"]))
            head = ["method", *(FILLINGS[fill].title for fill in fills)]
            rows = [head, ["---"] * len(head)]
            names: dict[tuple[str, ...], list[str]] = {}
            for one in mine:
                names.setdefault(tuple(_cell(one, fill) for fill in fills), []).append(str(one.details["name"]))
            rows += [[f"**{plain(', '.join(those))}**", *cells] for cells, those in names.items()]
            with st.container(gap="small"):
                st.markdown(group_words(group))
                st.markdown("\n".join(f"| {' | '.join(row)} |" for row in rows))


def _cell(one: Finding, fill: str) -> str:
    tried = [choice for direction in DIRECTIONS if (choice := one.choice(direction, fill)) is not None]
    signs = {sign_of(choice) for choice in tried}
    text = " ".join(
        f"{SYMBOLS[sign_of(each)]}\N{NO-BREAK SPACE}{signed((each.difference or each.measure).value)}" for each in tried
    )
    colour = COLOURS.get(signs.pop()) if len(signs) == 1 else None
    return f":{colour}-background[{text}]" if colour else text


def _draw_curves(opened: Opened, answer: StudyResult, by: By) -> None:
    FILL.linked(
        st.segmented_control,
        "Fill",
        options=list(FILLS),
        format_func=lambda fill: FILLINGS[fill].title,
        required=True,
        help=explain("Fill"),
    )
    drawn = summary(opened, answer, mean_curves, by)
    chosen = summary(opened, answer, leads, by)
    fill = FILL.value if FILL.value in set(drawn["fill"]) else drawn["fill"].iloc[0]
    drawn, chosen = drawn[drawn["fill"] == fill], chosen[chosen["fill"] == fill]
    with st.grid(2, min_column_width=320):
        for group in dict.fromkeys(drawn["group"]):
            with st.container():
                st.markdown(group_words(group))
                best = chosen[chosen["group"] == group].drop_duplicates("direction")
                charts.show(
                    curves.deletion_curves(
                        drawn[drawn["group"] == group], dict(zip(best["direction"], best["control"], strict=True))
                    ),
                    key=f"trust.curves.{group}",
                    alt=f"Deletion and insertion curves of {group}: every explanation and every control",
                )
