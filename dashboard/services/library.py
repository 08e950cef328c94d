"""The runs, tables and pictures that all visitors share, read once."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.detectors.identity import Identified, Identity, find_maker, identify_all
from core.images.cifake_files import fetched_path, is_fetched
from core.images.image_set import Split
from core.images.shipped import KIND as SHIPPED_KIND
from core.images.shipped import is_shipped
from core.images.sources import SHIPPED
from core.runs.browsing import Extent, browse_table, cells, extents_of, find_rows, judged_table
from core.runs.filter import Filter
from core.runs.finding import HOMES, find_detectors, find_runs, misnamed
from core.runs.pictures import Pictures, find_pictures
from core.runs.run import Run, read_run
from core.runs.study_columns import StudyColumn, added_by_studies, further_columns, study_columns
from core.runs.tags import Tags
from core.runs.validation import check_manifest
from core.studies.store import find_studies, read_study, study_path
from core.studies.study import Answer
from core.system.atomic import cache_dir
from core.system.folders import MANIFEST, ContractError, glance_at_folder, read_manifest
from dashboard.components.plain import with_code
from dashboard.services.dataset_registry import Shelf
from dashboard.services.sentences import for_visitors

# what is looked at where the address names no run
FIRST = "swift@cifake-test"
# columns that one URL may add
MOST_LINKED = 12

_shelves: dict[Path, Shelf] = {}
_shelves_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Opened:
    """A run that is being looked at.

    Attributes:
        run: as read.
        studied: what the columns are that studies have added.
        further: what the columns are that studies have beyond those that they offer; a link may name them.
        stamp: changes when the run or its studies do.
        linked: the further columns that a link has named.
        without: the same without them; None where there are none.
    """

    run: Run
    studied: dict[str, StudyColumn]
    further: dict[str, StudyColumn]
    stamp: str
    linked: tuple[str, ...] = ()
    without: "Opened | None" = None

    @property
    def origin(self) -> "Opened":
        """The same without linked columns: for all that does not hang on them, which is then made once."""
        return self.without or self

    @cached_property
    def judged(self) -> pd.DataFrame:
        """From `judged_table`, a row an image: all that a page needs which asks no study."""
        return judged_table(self.run)

    @cached_property
    def table(self) -> pd.DataFrame:
        """From `browse_table`, a row an image; and the linked columns, but those that nothing can be asked of."""
        if self.without is None:
            return browse_table(self.run, self.judged)
        table = self.without.table
        found = added_by_studies(self.run.path, table["id"], self.linked, offered=False)
        return pd.concat([table, found], axis=1)

    @cached_property
    def rows(self) -> pd.Index:
        """The position of each id."""
        return pd.Index(self.run.predictions["id"])

    @cached_property
    def extents(self) -> dict[str, Extent]:
        """The lowest and the highest value of each column that is filtered by a range."""
        return extents_of(self.table)

    @cached_property
    def map_scale(self) -> float:
        """The margin-map value drawn in full colour, one for the whole run."""
        # a few thousand maps are enough to place the 99th percentile
        step = max(1, len(self.run) // 4000)
        if self.run.maps is None:
            return 1.0
        maps = np.abs(np.asarray(self.run.maps[::step], np.float32))
        return float(np.quantile(maps, 0.99)) if len(self.run) else 1.0

    def row_of(self, id_: str) -> int | None:
        """The position of an image, None where the run has no such id."""
        return int(self.rows.get_loc(id_)) if id_ in self.rows else None


def homes() -> tuple[Path, ...]:
    """Where detectors/ and runs/ are: the folder in $TELLTALE_HOME, else the project and what it ships."""
    return (Path(own),) if (own := os.environ.get("TELLTALE_HOME")) else HOMES


def runs() -> dict[str, Path]:
    """Names and folders of the runs here."""
    return find_runs(homes())


def choose_run() -> str:
    """The run that the URL names, else the one looked at before, else `FIRST` where its pictures are at hand, else one
    that can be shown best; "" without runs.
    """
    found = runs()
    asked = (st.query_params.get("run"), st.session_state.get("run"))
    return next((name for name in asked if name in found), None) or max(
        found, key=lambda name: _worth(found[name]), default=""
    )


def _worth(path: Path) -> tuple[bool, bool, int]:
    """Whether all pictures of a run are at hand, whether it is `FIRST`, and how many images it has; less than nothing
    where it is damaged."""
    try:
        manifest = glance_at_folder(path, "run")
    except ContractError:
        return False, False, -1
    at_hand = {found.fingerprint for found in shelf().sets}
    # what is still being read is at hand in a moment: the first visitor sees the same run as the next
    reading = shelf().status.state == "reading"
    complete = reading or "images.npy" in manifest["files"] or manifest.get("set_fingerprint") in at_hand
    images = manifest.get("images", 0)
    return complete, path.name == FIRST, images if isinstance(images, int) else -1


def current() -> Opened:
    """The run of this session, opened; a page that cannot have one ends here with a sentence."""
    name = st.session_state.get("run", "")
    path = runs().get(name)
    if path is None:
        st.title("There is nothing to look at yet", anchor=False)
        st.info("There is no run to show yet. Make one with `python train.py --data PATH`, then reload this page.")
        st.stop()
    try:
        return _with_linked(open_run(path))
    except ContractError as error:
        st.title("This run cannot be read", anchor=False)
        st.error(with_code(for_visitors(error, homes=homes())))
        st.stop()


def open_run(path: Path) -> Opened:
    """Read a run, or take it from memory when nothing in its folder has changed."""
    try:
        studies = sorted((path / "studies").glob("*.parquet"))
        stamp = " ".join(f"{file.name!a}:{file.stat().st_mtime_ns}" for file in (path / MANIFEST, *studies))
    except OSError as error:
        # it is being replaced at this moment, or was taken away
        raise ContractError(f"{path} cannot be read ({error.strerror}); reload this page") from None
    return _open(path, f"{path} {stamp}")


@st.cache_resource(max_entries=8, show_spinner="Reading the run")
def _open(path: Path, stamp: str) -> Opened:
    return Opened(read_run(path), study_columns(path), further_columns(path), stamp)


def _with_linked(opened: Opened) -> Opened:
    """The same with the columns that the URL names though their study does not offer them: links lead to them."""
    sort = st.query_params.get("sort", "").removeprefix("-")
    named = (*also(), *st.query_params, sort, st.query_params.get("colour", ""))
    asked = dict.fromkeys(name for name in named if name in opened.further)
    return _linked(opened, opened.stamp, tuple(sorted([*asked][:MOST_LINKED]))) if asked else opened


def also() -> list[str]:
    """The columns that the URL asks for beyond those that studies offer."""
    return st.query_params.get("also", "").split(",")


@st.cache_resource(max_entries=8, show_spinner=False)
def _linked(_opened: Opened, stamp: str, names: tuple[str, ...]) -> Opened:
    studied = study_columns(_opened.run.path, names)
    return replace(_opened, studied=studied, stamp=f"{stamp} {' '.join(names)}", linked=names, without=_opened)


def answer(opened: Opened, name: str) -> Answer | None:
    """A study of a run, verified; None where there is none.

    Raises:
        ContractError: there is a file, and it is damaged or another run's.
    """
    file = study_path(opened.run.path, name)
    return _answer(opened, f"{file} {file.stat().st_mtime_ns}", name) if file.is_file() else None


def answer_by(detector: Identity, name: str) -> Answer | None:
    """A study of any run by a detector, this session's run first; None where there is none.

    Raises:
        ContractError: as `answer`.
    """
    found = runs()
    own = st.session_state.get("run", "")
    for run in sorted(found, key=lambda run: run != own):
        if not study_path(found[run], name).is_file() or not is_by(found[run], detector):
            continue
        try:
            opened = open_run(found[run])
        except ContractError:
            # it says so itself where it is looked at
            continue
        return answer(opened, name)
    return None


def is_by(path: Path, detector: Identity) -> bool:
    """Whether a run is by a detector; one that is damaged is by none."""
    try:
        return detector.made(read_manifest(path, "run"))
    except ContractError:
        return False


def refused_studies(opened: Opened) -> list[str]:
    """A sentence for visitors on each study of a run that cannot be read; its columns are left out everywhere."""
    return _refused_studies(opened.origin, opened.origin.stamp)


@st.cache_resource(max_entries=8, show_spinner=False)
def _refused_studies(_opened: Opened, stamp: str) -> list[str]:  # noqa: ARG001 - the key
    return [for_visitors(problem, homes=homes()) for problem in find_studies(_opened.run).problems]


# a dozen of each of a few runs: where visitors look at several, fewer would be read anew all the time
@st.cache_resource(max_entries=64, show_spinner=False)
def _answer(_opened: Opened, stamp: str, name: str) -> Answer:  # noqa: ARG001 - the key
    return read_study(study_path(_opened.run.path, name), _opened.run)


def matching(opened: Opened, wanted: Filter) -> NDArray[np.intp]:
    """Positions of the rows that a filter finds, in its order; remembered for the next page."""
    everything = replace(wanted, page=1, per_page=Filter.per_page)
    tagged = tags().ids(wanted.tag) if wanted.tag is not None else frozenset()
    return _matching(opened, opened.stamp, everything, tagged)


@st.cache_resource(max_entries=32, show_spinner=False)
def _matching(_opened: Opened, stamp: str, wanted: Filter, tagged: frozenset[str]) -> NDArray[np.intp]:  # noqa: ARG001
    return find_rows(_opened.table, wanted, tagged=tagged)


def counts(opened: Opened, wanted: Filter) -> NDArray[np.int64]:
    """The confusion matrix of what a filter finds, whatever it says of class and outcome."""
    everything = replace(wanted, sort=Filter.sort, page=1, per_page=Filter.per_page)
    tagged = tags().ids(wanted.tag) if wanted.tag is not None else frozenset()
    return _counts(opened, opened.stamp, everything, tagged)


@st.cache_resource(max_entries=128, show_spinner=False)
def _counts(_opened: Opened, stamp: str, wanted: Filter, tagged: frozenset[str]) -> NDArray[np.int64]:  # noqa: ARG001
    return cells(_opened.table, wanted, tagged=tagged)


def splits() -> tuple[Split, ...]:
    """The splits of an image set that the runs here are about: "test", and "train" where one is."""
    sets = []
    for path in runs().values():
        with suppress(ContractError):
            sets.append(str(read_manifest(path, "run").get("set", "")))
    return ("test", "train") if any("-train" in name for name in sets) else ("test",)


def shelf() -> Shelf:
    """The image sets that pictures are taken from, one shelf for all visitors.

    In no cache: any browser may ask Streamlit to forget those, and what was attached by its path would be gone.
    """
    home = homes()[0]
    with _shelves_lock:
        if home not in _shelves:
            shipped = next((one / SHIPPED for one in homes() if is_shipped(one / SHIPPED)), None)
            unpacked = home / "data" / "cifake"
            first = unpacked if unpacked.is_dir() or not is_fetched() else fetched_path()
            _shelves[home] = Shelf(first, _splits_beside(shipped), shipped=shipped)
        return _shelves[home]


def _splits_beside(shipped: Path | None) -> tuple[Split, ...]:
    """The splits in data/cifake/ that a run here needs for its pictures, where another set has shipped."""
    try:
        fingerprint = read_manifest(shipped, SHIPPED_KIND).get("fingerprint") if shipped else None
    except ContractError:
        fingerprint = None
    if fingerprint is None:
        return splits()
    needed: set[Split] = set()
    for path in runs().values():
        with suppress(ContractError):
            manifest = read_manifest(path, "run")
            if "images.npy" not in manifest["files"] and manifest.get("set_fingerprint") != fingerprint:
                needed.add("train" if "-train" in str(manifest.get("set")) else "test")
    return tuple(sorted(needed))


@st.cache_resource(show_spinner=False)
def tags() -> Tags:
    """The tags and notes of this machine."""
    return Tags(cache_dir() / "tags.sqlite")


def pictures(opened: Opened) -> Pictures:
    """Where the pixels of a run's rows are."""
    return _pictures(
        opened.origin, opened.origin.stamp, tuple(f"{found.fingerprint} {found.side}" for found in shelf().sets)
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _pictures(_opened: Opened, stamp: str, fingerprints: tuple[str, ...]) -> Pictures:  # noqa: ARG001 - the key
    return find_pictures(_opened.run, list(shelf().sets))


def detectors() -> dict[str, Identified]:
    """The detectors here that are what they claim to be, by name, those that ship first."""
    return identify_all(find_detectors(homes()))[0]


def maker(run: Run) -> str | None:
    """The name of the detector that made a run, None where it is not among the detectors here."""
    return find_maker(run.manifest, detectors())


def refused_runs() -> dict[str, str]:
    """A sentence for visitors on each run here that cannot be opened, by its name."""
    refused = misnamed(homes(), "run")
    for name, path in runs().items():
        try:
            check_manifest(path, glance_at_folder(path, "run"))
        except ContractError as error:
            refused[name] = str(error)
    return {name: for_visitors(sentence, homes=homes()) for name, sentence in refused.items()}


def refused_detectors() -> dict[str, str]:
    """A sentence for visitors on each detector here that cannot be asked, by its name."""
    refused = misnamed(homes(), "detector") | identify_all(find_detectors(homes()))[1]
    return {name: for_visitors(sentence, homes=homes()) for name, sentence in refused.items()}


def samples(count: int = 8) -> tuple[Opened, NDArray[np.intp]] | None:
    """Images to begin with, half of each class: from this session's run, else from the sample's; None without any."""
    found = runs()
    looked_at = st.session_state.get("run", "")
    own = f"{looked_at.partition('@')[0]}@sample-test"
    others = [name for name in found if name.endswith("@sample-test")]
    for name in (looked_at, own, *others):
        try:
            opened = open_run(found[name])
        except (KeyError, ContractError):
            continue
        shown = pictures(opened).where >= 0
        halves = [np.flatnonzero(shown & (opened.table["label"] == label).to_numpy()) for label in ("REAL", "FAKE")]
        if all(len(half) for half in halves):
            # evenly through the run, so that they show different things
            spread = [half[np.linspace(0, len(half) - 1, count // 2).astype(int)] for half in halves]
            return opened, np.unique(np.concatenate(spread))
    return None
