"""How far a verdict carries: what the detector says of images that it was not made for."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.images.generator_names import generator_name
from core.images.upload import DEFAULT_FILTER
from core.studies.out_of_distribution import AS_CIFAKE, EVERY_FILTER, GENERATOR, OWN, PHOTOGRAPHS, no_worse
from core.studies.study import Answer
from dashboard.components.charts import style as charts
from dashboard.components.plain import figure_text, plain
from dashboard.components.studies import charts as evidence_charts
from dashboard.components.studies.downloads import study_download
from dashboard.components.studies.finding_words import bullets
from dashboard.components.words import percent
from dashboard.services.library import Opened

# findings of the study, in the order in which they are said
SAID = ("generators", "no_generators", "photographs", "filters", "confidence_generators", "confidence_photographs")


def sentences(answer: Answer, keys: Sequence[str] = SAID) -> list[str]:
    """The findings with these keys that there are."""
    found = {one.key: one.sentence for one in answer.findings}
    return [found[key] for key in keys if key in found]


def conclusion(answer: Answer) -> str:
    """What the rates come to, with the two numbers that say most."""
    said = []
    if (passed := answer.finding("generators")) is not None:
        said.append(f"{percent(passed.value, 0)} of pictures by other generators pass as photographs")
    if (accused := answer.finding("photographs")) is not None:
        said.append(f"{percent(accused.value, 0)} of ordinary photographs are called generated{_beside(answer)}")
    if (depends := answer.finding("filters")) is not None:
        said.append(
            f"on {percent(depends.value, 0)} of these photographs the verdict hangs on how they were made small"
        )
    if not said:
        return ""
    # ", and" before the last only
    listed = ", and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
    return f"**{listed[0].upper()}{listed[1:]}: outside its own kind of images a verdict is no evidence.**"


def _beside(answer: Answer) -> str:
    """The rate of the run's own REAL images, where photographs fare no worse."""
    table = answer.table[(answer.table["encoding"] == AS_CIFAKE) | (answer.table["kind"] == OWN)]
    own = table[(table["kind"] == OWN) & (table["source"] == "REAL")]
    photographs = table[(table["kind"] == PHOTOGRAPHS) & (table["filter"] == DEFAULT_FILTER)]
    if own.empty or photographs.empty:
        return ""
    usually = 1 - float(own["share_real"].iloc[0])
    return (
        f", no more than of its own REAL images ({percent(usually, 0)})"
        if no_worse(photographs.iloc[0], usually)
        else ""
    )


def draw_transfer(opened: Opened, answer: Answer) -> None:
    """The sentences, and a chart of each kind of images."""
    if text := conclusion(answer):
        st.markdown(text)
    table = answer.table[answer.table["encoding"].isin([AS_CIFAKE]) | (answer.table["kind"] == OWN)]
    own = table[table["kind"] == OWN].set_index("source")["share_real"]
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            st.markdown("#### Pictures by other generators")
            rows = table[(table["kind"] == GENERATOR) & (table["source"] != "all")].sort_values("share_real")
            if rows.empty:
                st.caption("They were not at hand when this was measured.")
            else:
                figure = evidence_charts.carried(
                    rows.assign(name=rows["source"].map(generator_name).map(figure_text)),
                    column="share_real",
                    own=float(own["FAKE"]) if "FAKE" in own else None,
                    hue="REAL",
                    x="called REAL, so they pass",
                )
                charts.show(figure, key="evidence.generators", alt="Share called REAL, by generator")
                st.caption(f"Dashed: FAKE images of {plain(opened.run.manifest['set'])} that it calls REAL.")
        with grid.cell():
            st.markdown("#### Ordinary photographs, made small by")
            rows = table[(table["kind"] == PHOTOGRAPHS) & (table["filter"] != EVERY_FILTER)].sort_values("share_real")
            if rows.empty:
                st.caption("They were not at hand when this was measured.")
            else:
                figure = evidence_charts.carried(
                    accused(rows).assign(name=rows["filter"].map(figure_text)),
                    column="share_fake",
                    own=1 - float(own["REAL"]) if "REAL" in own else None,
                    hue="FAKE",
                    x="called FAKE, so they are accused",
                )
                charts.show(figure, key="evidence.photographs", alt="Share called FAKE, by resampling filter")
                st.caption(f"Dashed: REAL images of {plain(opened.run.manifest['set'])} that it calls FAKE.")
    bullets(sentences(answer))
    study_download(opened, answer)


def accused(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the study with the share called FAKE and its interval."""
    return rows.assign(share_fake=1 - rows["share_real"], low=1 - rows["high"], high=1 - rows["low"])
