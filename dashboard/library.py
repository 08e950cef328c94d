"""The runs, tables and pictures that all visitors share, read once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.judgement import Threshold, find_threshold, read_threshold
from core.arrays import Positions
from core.console import PROGRAM
from core.detectors.identity import Identity
from core.detectors.manifest import OLD_SIDE
from core.images.cifake import KIND as SHIPPED_KIND
from core.images.cifake import ShippedPixels
from core.images.image_set import DatasetError, ImageSet
from core.runs.filter import Filter
from core.runs.pictures import Pictures, find_pictures
from core.runs.rows import Extent, evenly, extents_of, find_rows, judged_table
from core.runs.run import Run, read_run, same_images
from core.runs.tags import Tags
from core.storage.atomic import cache_dir, read_manifest
from core.storage.limits import MANIFEST, ContractError
from core.storage.memory import lazy_property
from core.studies.columns import (
    StudyColumn,
    browse_table,
    describe_versus,
    read_columns,
    study_columns,
    versus_table,
)
from core.studies.store import StudyResult, find_studies, read_study, study_path
from dashboard.catalogue import registry, runs
from dashboard.components.words import with_code
from dashboard.visitors import for_visitors

# what is looked at where the address names no run
FIRST = "swift@cifake-test"
# columns that one URL may add
MOST_LINKED = 12
# runs that are kept in memory, a few more than ship: with fewer, visitors who look at several evict each other's
MAX_RUNS = 16
# images to begin with, of both classes together
SAMPLES = 8


@dataclass(frozen=True, eq=False)
class Opened:
    """A run that is being looked at.

    Attributes:
        run: the run as read.
        columns: descriptions of the columns of its studies, by name; `table` has those that are offered.
        stamp: changes when the run or its studies do.
        linked: further columns, which `table` has because the URL names them.
        without: the same run without `linked` and `beside`; None where it has neither.
        beside: a run on the same images whose verdicts `table` has too; None where the URL names none.
    """

    run: Run
    columns: dict[str, StudyColumn]
    stamp: str
    linked: tuple[str, ...] = ()
    without: "Opened | None" = None
    beside: Run | None = None

    @property
    def origin(self) -> "Opened":
        """The same run without linked columns, so that results that do not depend on them are cached once."""
        return self.without or self

    @lazy_property
    def studied(self) -> dict[str, StudyColumn]:
        """Descriptions of the columns that studies, and the run beside this one, add to `table`, by name."""
        beside = {} if self.beside is None else describe_versus(self.beside)
        own = {name: column for name, column in self.columns.items() if column.offered or name in self.linked}
        return own | beside

    @lazy_property
    def judged(self) -> pd.DataFrame:
        """From `judged_table`, a row an image: all that a page needs which asks no study."""
        return judged_table(self.run)

    @lazy_property
    def table(self) -> pd.DataFrame:
        """From `browse_table`, a row an image; and the linked columns, but those that nothing can be asked of."""
        try:
            if self.without is None:
                return browse_table(self.run, self.judged, self.columns)
            parts = [self.without.table, read_columns(self.run, self.linked)]
        except ContractError as error:
            _end(error)
        if self.beside is not None:
            parts.append(versus_table(self.beside, self.judged["id"]))
        return pd.concat(parts, axis=1)

    @lazy_property
    def rows(self) -> pd.Index:
        """The position of each id."""
        return pd.Index(self.run.predictions["id"])

    @lazy_property
    def extents(self) -> dict[str, Extent]:
        """The lowest and the highest value of each column that is filtered by a range."""
        return extents_of(self.table)

    @lazy_property
    def map_scale(self) -> float:
        """The margin-map value drawn in full colour, one for the whole run."""
        if self.run.maps is None or not len(self.run):
            return 1.0
        # a few thousand maps are enough to place the 99th percentile
        step = max(1, len(self.run) // 4000)
        return float(np.quantile(np.abs(np.asarray(self.run.maps[::step], np.float32)), 0.99))

    def row_of(self, id_: str) -> int | None:
        """The position of an image, None where the run has no such id."""
        return int(self.rows.get_loc(id_)) if id_ in self.rows else None


# how Streamlit's caches recognise an opened run, a study of one, and an image set
BY_STAMP: dict[str | type[Any], Callable[[Any], Any]] = {
    Opened: attrgetter("stamp"),
    StudyResult: attrgetter("path"),
    Pictures: attrgetter("stamp"),
    ImageSet: attrgetter("fingerprint", "side", "fit"),
}


# caches, for all visitors, a function of what is recognised so
cached = partial(st.cache_resource, max_entries=MAX_RUNS, show_spinner=False, hash_funcs=BY_STAMP)


def choose_run() -> str:
    """Choose the run that the URL names, else the one shown before, else `FIRST`, else any; "" without runs."""
    paths = runs()
    for name in (st.query_params.get("run"), st.session_state.get("run"), FIRST):
        if name in paths:
            return str(name)
    return next(iter(paths), "")


def current() -> Opened:
    """The run of this session, opened; a page that cannot have one ends here with a sentence."""
    name = st.session_state.get("run", "")
    path = runs().get(name)
    if path is None:
        st.title("There is nothing to look at yet", anchor=False)
        st.info(f"There is no run to show yet. Make one with `{PROGRAM} train --data PATH`, then reload this page.")
        st.stop()
    try:
        return _with_linked(open_run(path))
    except ContractError as error:
        _end(error)


def _end(error: ContractError) -> NoReturn:
    """End the page with the sentence of why a run cannot be read."""
    st.title("This run cannot be read", anchor=False)
    st.error(with_code(for_visitors(error)))
    st.stop()


def open_run(path: Path) -> Opened:
    """Read a run, or take it from memory when nothing in its folder has changed."""
    try:
        (path / MANIFEST).stat()
        files = sorted(file for folder in (path, path / "studies") for file in folder.glob("[!.]*.*"))
        # a file may be cut short or written over where it is
        states = ((file.name, file.stat()) for file in files)
        stamp = " ".join(f"{name!a}:{of.st_size}:{of.st_mtime_ns}:{of.st_ctime_ns}" for name, of in states)
    except OSError as error:
        # it is being replaced at this moment, or was taken away
        raise ContractError(f"{path} cannot be read ({error.strerror}); reload this page") from None
    return _open(path, f"{path} {stamp}")


@st.cache_resource(max_entries=MAX_RUNS, show_spinner="Reading the run")
def _open(path: Path, stamp: str) -> Opened:
    run = read_run(path)
    return Opened(run, study_columns(run), stamp)


def _with_linked(opened: Opened) -> Opened:
    """Add what the URL names: columns that their study does not offer, and the verdicts of a run on the same images."""
    sort = st.query_params.get("sort", "").removeprefix("-")
    # what filters and sorts comes first, because only `MOST_LINKED` are read
    also = st.query_params.get("also", "").split(",")
    further = {name for name, column in opened.columns.items() if not column.offered}
    named = [name for name in dict.fromkeys((*st.query_params, sort, *also)) if name in further]
    path = runs().get(st.query_params.get("versus", ""))
    beside = None
    with suppress(ContractError):
        if path is not None and same_images(opened.run, (other := open_run(path)).run):
            beside = other
    return _linked(opened, beside, tuple(sorted(named[:MOST_LINKED]))) if named or beside else opened


@cached()
def _linked(opened: Opened, beside: Opened | None, names: tuple[str, ...]) -> Opened:
    linked = replace(opened, stamp=f"{opened.stamp} {names}", linked=names, without=opened)
    if beside is None:
        return linked
    return replace(linked, stamp=f"{linked.stamp} {beside.stamp}", beside=beside.run)


def matching(opened: Opened, wanted: Filter) -> Positions:
    """Find the positions of the rows that fit a filter, in its order."""
    return find_rows(opened.table, wanted, tagged=tagged(wanted))


def tagged(wanted: Filter) -> frozenset[str]:
    """Return the ids of the images that have the tag of a filter; none where it asks for no tag."""
    return tags().ids(wanted.tag) if wanted.tag is not None else frozenset()


@st.cache_resource(show_spinner=False)
def tags() -> Tags:
    """The tags and notes of this machine."""
    return Tags(cache_dir() / "tags.sqlite")


def pictures(opened: Opened) -> Pictures:
    """Find the pixels of a run's rows; while CIFAKE's test set as it ships is being read, of one image at a time."""
    found = _pictures(opened.origin, registry().sets)
    shipped = registry().shipped
    if not found.found and registry().status.busy and shipped is not None:
        return _early_pictures(opened.origin, shipped) or found
    return found


@cached()
def _early_pictures(opened: Opened, shipped: Path) -> Pictures | None:
    """The pictures of a run on CIFAKE's test set before that is read; None for any other run."""
    rows = opened.run.predictions
    with suppress(ContractError, DatasetError):
        about = read_manifest(shipped, SHIPPED_KIND)
        if about["fingerprint"] == opened.run.manifest["set_fingerprint"] and opened.run.side == OLD_SIDE:
            pixels: Any = ShippedPixels(shipped, rows["name"].to_list(), rows["sha256"].to_list())
            return Pictures(pixels, np.arange(len(rows)), about["name"])
    return None


@cached()
def _pictures(opened: Opened, sets: tuple[ImageSet, ...]) -> Pictures:
    return find_pictures(opened.run, list(sets))


def with_samples() -> Iterator[Opened]:
    """This session's run, its detector's run of the sample, and the other runs of that, as far as they can be read."""
    paths = runs()
    looked_at = st.session_state.get("run", "")
    own = f"{looked_at.partition('@')[0]}@sample-test"
    for name in dict.fromkeys((looked_at, own, *(name for name in paths if name.endswith("@sample-test")))):
        with suppress(KeyError, ContractError):
            yield open_run(paths[name])


def samples(holding: str = "") -> tuple[Opened, Positions] | None:
    """Images to begin with, half of each class: from this session's run, else from the sample's; None without any.

    Args:
        holding: id of an image that the run must have, where any has it; it is among them.
    """
    for opened in with_samples():
        shown = pictures(opened).where >= 0
        row = opened.row_of(holding)
        halves = [np.flatnonzero(shown & (opened.judged["label"] == label).to_numpy()) for label in ("REAL", "FAKE")]
        if all(map(len, halves)) and not (holding and row is None):
            # evenly through the run, so that they show different things
            chosen = np.concatenate([evenly(half, SAMPLES // 2) for half in halves])
            if row is not None and shown[row] and row not in chosen:
                chosen[-1] = row
            return opened, np.unique(chosen)
    return samples() if holding else None


def study_of(opened: Opened, name: str) -> StudyResult | None:
    """Read and verify a study of a run; None where there is none.

    Raises:
        ContractError: there is a file, and it is damaged or another run's.
    """
    return _study(opened.origin, name) if study_path(opened.run.path, name).is_file() else None


@cached(max_entries=20 * MAX_RUNS)
def _study(opened: Opened, name: str) -> StudyResult:
    return read_study(study_path(opened.run.path, name), opened.run)


def study_by(detector: Identity, name: str) -> StudyResult | None:
    """Read a study of any run by a detector, this session's run first; None where there is none.

    Raises:
        ContractError: as `study_of`.
    """
    return next(filter(None, (study_of(opened, name) for opened in runs_by(detector))), None)


def runs_beside(opened: Opened) -> list[str]:
    """Return the names of the other runs on the same images, by their manifests."""
    names = []
    for name, path in runs().items():
        # opening it says why one cannot be read
        with suppress(ContractError):
            fingerprint = read_manifest(path, "run").get("set_fingerprint")
            if path != opened.run.path and fingerprint == opened.run.manifest["set_fingerprint"]:
                names.append(name)
    return names


def runs_by(detector: Identity) -> Iterator[Opened]:
    """Open the runs by a detector that can be read, this session's first."""
    for path in sorted(runs().values(), key=lambda path: path.name != st.session_state.get("run")):
        # opening it says why one cannot be read
        with suppress(ContractError):
            if detector.made(read_manifest(path, "run")):
                yield open_run(path)


@cached()
def refused_studies(opened: Opened) -> list[str]:
    """Return a sentence for visitors on each study of a run that cannot be read; its columns are left out."""
    problems = list(find_studies(opened.run)[1])
    try:
        read_threshold(opened.run.path)
    except ContractError as error:
        problems.append(str(error))
    return [for_visitors(problem) for problem in problems]


def threshold_of(detector: Identity) -> Threshold | None:
    """Return a detector's threshold; None where nobody has set one, or it is refused, see `refused_studies`."""
    with suppress(ContractError):
        return find_threshold(detector, runs().values())
    return None
