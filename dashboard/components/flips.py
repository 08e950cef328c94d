"""What flips the verdict on one image: the smallest change, and a strip of five as pictures."""

import streamlit as st

from core.explainers.probing import After, ProbeResult
from core.perturbations.flips import own_columns
from core.perturbations.probe import Probe, Strength
from core.perturbations.table import probe_columns
from core.storage import ContractError
from core.studies.probes import smallest_flip
from dashboard import library
from dashboard.components.charts import cached
from dashboard.components.experiments import follow_probes, lending_run
from dashboard.components.glossary import explain
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.requests import DetectorHandle, Subject
from dashboard.components.words import CLASS_WORDS
from dashboard.library import Opened

SLOT = "flips"
SHOWN = 5
# of those, changes that flip the verdict
MOST_FLIPS = 3


def draw_flips(subject: Subject, detector: DetectorHandle, opened: Opened, row: int) -> None:
    """Draw the smallest change that flips the verdict, and five telling changes framed in their verdicts.

    Args:
        subject: the image.
        detector: who is asked.
        opened: the run on the page.
        row: where the image stands in it.
    """
    st.markdown("#### What flips it?", help=explain("Probe", "Control"))
    lenders, id_ = lending_run(detector, opened), str(opened.table["id"].iloc[row])
    # another run of the same images has them under the same ids
    own = None if lenders is None else lenders.row_of(id_)
    follow_probes(subject, detector, lenders, own, id_, _draw_strip, slot=SLOT)


def _draw_strip(result: ProbeResult) -> None:
    if result.smallest is None:
        st.markdown(result.sentence)
    else:
        probe, strength = result.smallest.probe, result.smallest.strength
        st.markdown(f"The smallest change that does: **{change_words(probe, strength)}**.")
    pictures = dict(zip(probe_columns(), result.pictures, strict=True))
    cells = []
    for after in telling_changes(result):
        words = change_words(after.probe, after.strength)
        words = f"Control: {words}" if after.probe.is_control else words[:1].upper() + words[1:]
        called = f"{words}: called {after.verdict}"
        cells.append(Cell(pictures[after.column], called, f"{words}  \n{CLASS_WORDS[after.verdict]}", after.verdict))
    picture_strip(cells, width=85)


def change_words(probe: Probe, strength: Strength) -> str:
    """Write a change for people: "blurring, 2 pixels"."""
    return f"{probe.inline}, {strength.waves.removeprefix('wavelengths ') or strength.label}"


def telling_changes(result: ProbeResult) -> list[After]:
    """Choose the changes to show: the smallest flips of several kinds, the control of the first, and large ones that
    flip nothing.

    Args:
        result: complete.

    Returns:
        At most `SHOWN`, those that flip the verdict first.
    """
    flips = _one_of_each(result.flipping)[:MOST_FLIPS]
    controls = [result.get(column) for column in flips[0].controls] if flips else []
    controls = [control for control in controls if control.known][:1]
    own = own_columns()
    stays = [after for after in result.after if after.column in own and after.known and not after.flipped]
    kinds = {after.probe.family for after in flips}
    largest = sorted(stays, key=lambda after: (after.probe.family in kinds, -after.size))
    return [*flips, *controls, *_one_of_each(largest)][:SHOWN]


def _one_of_each(changes: "list[After] | tuple[After, ...]") -> list[After]:
    """Keep the first change of each family of probes."""
    return list({after.probe.family: after for after in reversed(changes)}.values())[::-1]


def smallest_flips_of(opened: Opened) -> dict[str, str]:
    """Return the smallest change that flips each image while its controls do not, as the run's study has it.

    id -> words, "no change that was tried" where none does; images that the study lacks are left out.
    """
    return _smallest_flips(opened.origin)


@cached
def _smallest_flips(opened: Opened) -> dict[str, str]:
    try:
        study = library.study_of(opened, "probes")
    except ContractError:
        # the pages that show the study report it
        return {}
    rows = [] if study is None else study.table.reindex(columns=["id", "smallest_flip", "turned_by"]).to_dict("records")
    flips = {row["id"]: smallest_flip(row) for row in rows}
    return {id_: ", ".join(filter(None, flip or ("no change that was tried",))) for id_, flip in flips.items()}
