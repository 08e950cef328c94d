"""A case: one picture before and after the change that flips its verdict, and what else does and does not.

Streamlit lacks a divider between two pictures that is dragged, and a choice whose labels are pictures; both answer
before the server does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from core.images.encoding import enlarged
from core.images.labels import ClassName, verdict_of
from core.perturbations.flips import OF_ANY, flipping, own_columns, reason
from core.perturbations.registry import control_columns, probe_columns
from core.report.slide import Side, Story
from dashboard.components.component import component
from dashboard.components.picture import thumbnail
from dashboard.components.probing import change_words
from dashboard.components.requests import Subject
from dashboard.components.words import percent
from dashboard.state import shows_pixels

_mount = component("case")
# thumbnails of each kind
SHOWN = 3
# pixels along a side of the picture, for screens with two a CSS pixel
SIDE = 640
# label -> what a picture of a thing is
KINDS = {"FAKE": "A generated {}", "REAL": "A photographed {}", None: "A {}"}
# what verdicts are called where a threshold judges: on a page, and in a sentence
ANSWERS: dict[ClassName, str] = {"FAKE": "FAKE-like", "REAL": "Nothing found"}
SAYS: dict[ClassName, str] = {"FAKE": "is FAKE-like", "REAL": "shows no sign"}


@dataclass(frozen=True, eq=False)
class Case:
    """A picture whose verdict is explained by what flips it.

    Attributes:
        subject: the picture.
        changes: from `tabulate_changes`, with the changed pictures, uint8 (side, side, 3), in a column `picture`.
        label: of the picture; None if unknown.
        thing: what it shows: "bird".
        measured: column of a change -> how often it flips such verdicts, in a sentence.
        answers: its margins are less a threshold, so that verdicts are `ANSWERS`, and nobody says how sure.
    """

    subject: Subject
    changes: pd.DataFrame
    label: ClassName | None = None
    thing: str = "picture"
    measured: Mapping[str, str] = field(default_factory=dict)
    answers: bool = False

    @property
    def headline(self) -> str:
        """The change that flips the verdict and what it comes to, or that nothing does."""
        says = SAYS if self.answers else OF_ANY
        return reason(self.changes, side=len(self.subject.image), label=self.label, says=says)

    def word(self, column: str) -> str:
        """Return what the picture is called after a change, "" for none."""
        verdict = verdict_of(self.changes.loc[column, "margin"])
        return ANSWERS[verdict] if self.answers else verdict

    @property
    def kind(self) -> str:
        """What it is, as far as that is known: "A generated bird"."""
        return KINDS[self.label].format(self.thing)

    def story(self) -> Story:
        """Return what a slide tells of it."""
        sides = [Side(self.subject.image, self.word(""), "as it is")]
        note = ""
        for column in self.chosen()[:1]:
            words = change_words(column, len(self.subject.image))
            sides.append(Side(self.changes["picture"][column], self.word(column), words))
            note = self.note(column)
        said = f"{self.word('')}." if self.answers else ""
        return Story(self.headline, sides, note, said)

    def note(self, column: str) -> str:
        """Say what the control of a change does, and how often the change flips such verdicts."""
        return " ".join(filter(None, (control_words(self.changes, column), self.measured.get(column))))

    def chosen(self) -> list[str]:
        """Choose changes to show: the smallest flips, then the largest that flip nothing, of one kind each."""
        own = {column: (probe.result, probe.family) for column, probe in own_columns().items()}
        kinds = pd.DataFrame.from_dict(own, orient="index", columns=["result", "family"])
        drawn = self.changes[self.changes["picture"].notna()].join(kinds, how="inner")
        flips = drawn.loc[flipping(self.changes).index.intersection(drawn.index, sort=False)]
        flips = flips.drop_duplicates("result")[:SHOWN]
        stays = drawn[(drawn["flips"] == 0) & ~drawn["result"].isin(flips["result"])]
        stays = stays.sort_values("size", ascending=False).drop_duplicates("family")
        return [*flips.index, *stays.index[: SHOWN if len(flips) else 2 * SHOWN]]


def draw_case(case: Case, *, key: str = "case", focus: bool = False) -> None:
    """Draw a case beneath its headline, which the page draws.

    Args:
        case: the picture and its changes.
        key: of the element.
        focus: move the keyboard's focus to it, where it is another picture than before.
    """
    side = len(case.subject.image)
    changes = [
        {
            **_frame(case, column),
            "name": change_words(column, side),
            "result": probe_columns()[column][0].result,
            "flips": bool(case.changes["flips"][column]),
            "note": case.note(column),
        }
        for column in case.chosen()
    ]
    data: dict[str, Any] = {
        "id": f"{case.subject.sha256} {case.changes['margin']['']}",
        "crisp": shows_pixels(),
        "focus": focus,
        "headline": case.headline,
        "kind": case.kind,
        "before": _frame(case, ""),
        "changes": changes,
    }
    _mount(key=key, data=data)


def draw_unanswered(subject: Subject, *, key: str) -> None:
    """Draw the picture of a case that is still being computed, where and as large as it will stand."""
    before = {"source": _source_of(subject.image), "verdict": "", "word": "", "sure": ""}
    data = {"id": subject.sha256, "crisp": shows_pixels(), "before": before, "changes": []}
    _mount(key=key, data=data)


def control_words(changes: pd.DataFrame, column: str) -> str:
    """Say what a control does to the verdict, the first that flips it, else the first; or that there is none."""
    made = changes["flips"].reindex(control_columns(column)).dropna()
    if made.empty:
        return "No control fits this change."
    control = made.idxmax()
    does = "changes it, too" if made[control] else "leaves it"
    return f"Its control, {probe_columns()[control][0].inline}, {does}."


def _frame(case: Case, column: str) -> dict[str, str]:
    """Return what the browser shows of the picture after a change, "" for none."""
    change = case.changes.loc[column]
    picture = change["picture"] if column else case.subject.image
    word = case.word(column)
    # what shows no sign is not REAL
    verdict = "" if word == ANSWERS["REAL"] else verdict_of(change["margin"])
    sure = ""
    if not case.answers:
        sure = f", {percent(max(change['p_real'], 1 - change['p_real']))} sure"
    return {"source": _source_of(picture), "verdict": verdict, "word": word, "sure": sure}


def _source_of(picture: Any) -> str:
    large = picture if shows_pixels() else enlarged(picture, SIDE)
    return thumbnail(large, SIDE)
