"""A case: one picture before and after the change that flips its verdict, and what else does and does not.

Streamlit lacks a divider between two pictures that is dragged, and a choice whose labels are pictures; both answer
before the server does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from core.images.encoding import enlarged, thumbnail_url
from core.images.labels import ClassName, verdict_of
from core.perturbations.flips import flipping, own_columns, reason
from core.perturbations.registry import PROBES, probe_columns
from core.report.slide import Side, Story
from dashboard.components.component import component
from dashboard.components.probing import change_words
from dashboard.components.requests import Subject
from dashboard.components.words import percent
from dashboard.state import shows_pixels

_mount = component(__file__, "case")
# thumbnails of each kind
SHOWN = 3
# pixels along a side of the picture, for screens with two a CSS pixel
SIDE = 640
# label -> what a picture of a thing is
KINDS = {"FAKE": "A generated {}", "REAL": "A photographed {}", None: "A {}"}
_source = st.cache_resource(max_entries=1024, show_spinner=False)(thumbnail_url)


@dataclass(frozen=True, eq=False)
class Case:
    """A picture whose verdict is explained by what flips it.

    Attributes:
        subject: the picture.
        changes: from `tabulate_changes`, with the changed pictures, uint8 (side, side, 3), in a column `picture`.
        label: of the picture; None if unknown.
        thing: what it shows: "bird".
        measured: column of a change -> how often it flips such verdicts, in a sentence.
    """

    subject: Subject
    changes: pd.DataFrame
    label: ClassName | None = None
    thing: str = "picture"
    measured: Mapping[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The change that flips the verdict and what it comes to, or that nothing does."""
        return reason(self.changes, side=len(self.subject.image), label=self.label)

    @property
    def verdict(self) -> ClassName:
        """The verdict on the picture as it is."""
        return verdict_of(self.changes.loc["", "margin"])

    @property
    def kind(self) -> str:
        """What it is, as far as that is known: "A generated bird"."""
        return KINDS[self.label].format(self.thing)

    def story(self) -> Story:
        """Return what a slide tells of it."""
        chosen = self.chosen()
        pictures = [Side(self.subject.image, self.verdict, "as it is")]
        for column in chosen[:1]:
            words = change_words(column, len(self.subject.image))
            verdict = verdict_of(self.changes["margin"][column])
            pictures.append(Side(self.changes["picture"][column], verdict, words))
        notes = [self.note(column) for column in chosen[:1]]
        return Story(self.headline, pictures, " ".join(notes))

    def note(self, column: str) -> str:
        """Say what the control of a change does, and how often the change flips such verdicts."""
        return " ".join(filter(None, (control_words(self.changes, column), self.measured.get(column))))

    def chosen(self) -> list[str]:
        """Choose changes to show: the smallest flips, then the largest that flip nothing, of one kind each."""
        drawn = self.changes.index[self.changes["picture"].notna()].intersection(list(own_columns()))
        results = pd.Series({column: probe_columns()[column][0].result for column in drawn}, dtype=object)
        flips = results.reindex(flipping(self.changes).index.intersection(drawn, sort=False)).drop_duplicates()[:SHOWN]
        stays = self.changes.loc[drawn[self.changes["flips"][drawn] == 0]].sort_values("size", ascending=False)
        families = {column: probe_columns()[column][0].family for column in stays.index}
        stays = stays.assign(family=pd.Series(families), again=results.isin(flips)).loc[lambda rows: ~rows["again"]]
        most = SHOWN if len(flips) else 2 * SHOWN
        return [*flips.index, *stays.drop_duplicates("family").index[:most]]


def draw_case(case: Case, *, key: str = "case", focus: bool = False) -> None:
    """Draw a case beneath its headline, which the page draws.

    Args:
        case: the picture and its changes.
        key: of the element.
        focus: move the keyboard's focus to it, where it is another picture than before.
    """
    side = len(case.subject.image)
    chosen = case.chosen()
    before = _frame(case.changes.loc[""], case.subject.image)
    data: dict[str, Any] = {
        "id": f"{case.subject.sha256} {case.changes['margin']['']}",
        "crisp": shows_pixels(),
        "focus": focus,
        "headline": case.headline,
        "kind": case.kind,
        "before": before,
        "changes": [
            {
                **_frame(case.changes.loc[column], case.changes["picture"][column]),
                "name": change_words(column, side),
                "result": probe_columns()[column][0].result,
                "flips": bool(case.changes["flips"][column]),
                "note": case.note(column),
            }
            for column in chosen
        ],
    }
    _mount(key=key, data=data)


def control_words(changes: pd.DataFrame, column: str) -> str:
    """Say what a control makes of the verdict, the first that flips it, else the first; or that there is none."""
    probe, strength = probe_columns()[column]
    controls = [PROBES[key].column(strength.key) for key in probe.controls]
    made = changes["flips"].reindex(controls).dropna()
    if made.empty:
        return "No control fits this change."
    control = made.idxmax()
    verdict = verdict_of(changes["margin"][control])
    does = "makes it" if made[control] else "leaves it"
    return f"Its control, {probe_columns()[control][0].inline}, {does} {verdict}."


def _frame(change: pd.Series, picture: Any) -> dict[str, str]:
    sure = percent(max(change["p_real"], 1 - change["p_real"]))
    crisp = shows_pixels()
    source = _source(picture if crisp else enlarged(picture, SIDE), SIDE, pixels=crisp)
    return {"source": source, "verdict": verdict_of(change["margin"]), "sure": sure}
