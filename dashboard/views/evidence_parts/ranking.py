"""Which change flips verdicts most easily, for each verdict apart."""

import pandas as pd
import streamlit as st

from core.images.labels import other_class
from core.perturbations.probe import inline
from core.perturbations.table import OTHER_WAYS, probe_columns
from dashboard.components.glossary import explain
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.evidence_parts.controlled_rates import Bar, controlled_rates
from dashboard.views.evidence_parts.setup import Evidence, Shown, open_turned

ORDER = Setting("order", "least", choices=("least", "most"))
ORDERS = {"least": "Most flips for its size", "most": "Most flips"}
ALL = Setting("all", "no", choices=("no", "yes"))
FEW = 8
NO_CONTROL = "no control"


def easiest(evidence: Evidence) -> str:
    """The change that flips most verdicts of each class beyond its control for its size, in a sentence of Markdown."""
    each = []
    for verdict, top in evidence.tops.items():
        # other ways of making a change say the same again
        controlled = top[top["control"].notna() & ~top["probe"].isin(OTHER_WAYS)]
        fair = controlled[controlled["per_level"] > 0]
        if len(fair):
            row = fair.iloc[0]
            what = f"{inline(row['title'])} ({row['strength']})"
            each.append(f"for its size, {what} flips {percent(row['share'])} of {CLASS_WORDS[verdict]} verdicts")
        elif len(controlled):
            each.append(
                f"no change flips {CLASS_WORDS[verdict]} verdicts significantly more often than its control does"
            )
    told = "; ".join(each)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def draw_ranking(opened: Opened, evidence: Evidence, shown: Shown | None) -> str | None:
    """Draw both rankings; the key of the probe that was just asked for, or None."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        ORDER.linked(
            st.segmented_control,
            "Order",
            options=list(ORDERS),
            format_func=ORDERS.get,
            required=True,
            label_visibility="collapsed",
            help="Most flips for its size: the share of verdicts that a change flips significantly beyond its "
            "control, per grey level of change. Changes without a control, from whose share nothing is "
            "subtracted, come after those that beat their control and before those that do not.",
        )
        ALL.linked(
            st.segmented_control,
            "How many",
            options=["no", "yes"],
            format_func={"no": f"First {FEW}", "yes": "All changes"}.get,
            required=True,
            label_visibility="collapsed",
        )
    asked = None
    with st.grid(2, min_column_width=400, gap="large") as grid:
        for verdict, top in evidence.tops.items():
            with grid.cell():
                count = int(evidence.turns.chosen(verdict).sum())
                st.markdown(f"#### What flips {CLASS_WORDS[verdict]} into {CLASS_WORDS[other_class(verdict)]}")
                st.caption(f"Of {count:,} images called {verdict}. A click on a bar shows those that flipped.")
                asked = _draw(opened, verdict, top, shown) or asked
    st.caption(
        "Bar: share of verdicts that flip. Line: its 95% interval. ◇: the share that its strongest control flips; a "
        f"bar that does not reach beyond its ◇ says nothing, and one with {NO_CONTROL} gives no reason. Grey levels: "
        "how much the picture changes on average (root mean square, of 255). "
        "Radius and ring: how many waves fit into 32 pixels, 16 are the finest detail that pixels can hold.",
        help=explain("Radius"),
    )
    return asked


def _draw(opened: Opened, verdict: str, top: pd.DataFrame, shown: Shown | None) -> str | None:
    rows = top if ORDER.value == "least" else top.sort_values("share", ascending=False, kind="stable")
    if ALL.value == "no":
        rows = rows.head(FEW)
    clicked = controlled_rates(
        [bar_of(row, shown) for _, row in rows.iterrows()],
        key=f"evidence.ranking.{verdict}",
        title=f"Share of {verdict} verdicts that each change flips",
        hue=verdict,
        sees="see-it",
    )
    if clicked.rate:
        open_turned(opened, verdict, clicked.rate)
    return str(rows.set_index("column").loc[clicked.name, "probe"]) if clicked.name else None


def bar_of(row: "pd.Series", shown: Shown | None = None, *, key: str = "", name: str = "", note: str = "") -> Bar:
    """Return a row of `responses` as a bar; `key`, `name` and `note` override those of its probe and strength."""
    fair = isinstance(row["control"], str)
    control = f", its control {percent(row['control_share'])}" if fair else f", {NO_CONTROL}"
    alone = "" if fair else f" · {NO_CONTROL}"
    waves = probe_columns()[str(row["column"])][1].waves
    told = f"{row['strength']}, {waves}" if waves else str(row["strength"])
    return Bar(
        key=key or str(row["column"]),
        name=name or str(row["title"]),
        note=note or f"{told} · {row['size']:.1f} grey levels{alone}",
        share=row["share"],
        low=row["low"],
        high=row["high"],
        number=percent(row["share"]),
        label=f"{name or row['title']}, {note or told}: flips {percent(row['share'])} of {row['flipped']} "
        f"verdicts ({percent(row['low'])} to {percent(row['high'])}){control}. Show these images.",
        control=float(row["control_share"]) if fair else None,
        picture=None if shown is None else shown.example.pictures.get(str(row["column"])),
    )
