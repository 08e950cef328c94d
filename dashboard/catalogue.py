"""The runs, detectors and image sets that are here, and the reasons why some of them cannot be used.

Image sets are shared by all visitors, and attached or downloaded in a thread of their own.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from core.console import one_direction
from core.detectors.identity import DetectorHandle, find_maker, identify_all
from core.homes import home, homes
from core.images.cifake import KIND as SHIPPED_KIND
from core.images.cifake import fetched_path, is_fetched, is_shipped
from core.images.image_set import DataPath, DatasetError, ImageSet, Progress, Split, split_of
from core.images.loading import check_image_set, load_image_set
from core.images.preprocessing import Preprocessing
from core.images.sources import SHIPPED, remembered
from core.runs.folders import find_detectors, find_runs
from core.runs.run import Run
from core.storage.atomic import read_manifest
from core.storage.limits import ContractError
from dashboard.visitors import for_visitors, hide_parent, is_local

ON_SAMPLE = "@sample-test"
Wanted = tuple[str | Path, Sequence[Split], Preprocessing | None]


def runs() -> dict[str, Path]:
    """Find the folders of all runs by name."""
    return find_runs()


def run_label(name: str) -> str:
    """Write `<detector>@<set>` in words; the sample gallery, and a folder of another name, go by their names."""
    detector, at, images = map(one_direction, name.partition("@"))
    if not at:
        return detector
    return f"{detector} on {'sample pictures' if name.endswith(ON_SAMPLE) else images}"


def detectors() -> dict[str, DetectorHandle]:
    """Identify the detectors here by name, those that ship first; one whose manifest lies is left out."""
    return identify_all(find_detectors())[0]


def maker(run: Run) -> DetectorHandle | None:
    """Return the detector that made a run, None where it is not among the detectors here."""
    found = detectors()
    return found.get(find_maker(run.manifest, found) or "")


def refused_detectors() -> dict[str, str]:
    """Return a sentence for visitors on each detector here that cannot be run, by its name."""
    refused = identify_all(find_detectors())[1]
    return {name: for_visitors(sentence) for name, sentence in refused.items()}


class Attaching(NamedTuple):
    """The progress of an attachment.

    Attributes:
        state: "idle" before the first, then "reading", "done" or "failed".
        doing: what is being done, in words.
        share: of that, 0 to 1.
        message: a sentence on each set that could not be read; it may name a path that somebody has typed.
    """

    state: Literal["idle", "reading", "done", "failed"] = "idle"
    doing: str = "Reading pictures"
    share: float = 0.0
    message: str = ""

    @property
    def busy(self) -> bool:
        """True while a set is being read."""
        return self.state == "reading"


class _Stopped(Exception):
    """Somebody has stopped the reading."""


class DatasetRegistry:
    """The image sets that runs find their pictures in.

    Sets that exist at the start have the state "reading" at once, but are only read after `begin`, so that the first
    page does not compete with them for the processor.

    Args:
        first: a folder or .zip that is attached where it is there.
        splits: of it.
        shipped: the folder of CIFAKE's test set as it ships, attached before that.
    """

    def __init__(self, first: Path, splits: Sequence[Split] = ("test",), *, shipped: Path | None = None) -> None:
        self.shipped = shipped
        self._lock = threading.Lock()
        # by fingerprint, side and steps: other detectors may see other pixels of the same files
        self._sets: dict[tuple[str, int, str], ImageSet] = {}
        # the place of training images: the set with a train split that was attached last
        self.source = str(first) if first.is_file() or (first / "train").is_dir() else None
        # fingerprints of sets that were looked for where they were last read from
        self._recalled = set[str]()
        self._stop = threading.Event()
        self._first: list[Wanted] = [] if shipped is None else [(shipped, ("test",), None)]
        if splits and first.exists():
            self._first.append((first, splits, None))
        self.status = Attaching("reading" if self._first else "idle")

    @property
    def sets(self) -> tuple[ImageSet, ...]:
        """The attached image sets, the newest last."""
        with self._lock:
            return tuple(self._sets.values())

    def begin(self) -> None:
        """Begin to read what is there from the start; does nothing from the second time on."""
        with self._lock:
            wanted = self._first
            self._first = []
        if wanted:
            self._start(wanted)

    def attach(
        self, data: str | Path, splits: Sequence[Split] = ("test",), *, fit: Preprocessing | None = None
    ) -> bool:
        """Begin to read the splits of a set, resized by `fit`; False where one is being read already."""
        with self._lock:
            if self.status.busy:
                return False
            self.status = Attaching("reading")
            self._stop.clear()
        hide_parent(data)
        self._start([(data, splits, fit)])
        return True

    def recall(self, fingerprint: str) -> DataPath | None:
        """Return where a set was last read from, at the first call of each; None later, or where that is not known."""
        if fingerprint in self._recalled:
            return None
        self._recalled.add(fingerprint)
        return remembered(fingerprint)

    def _start(self, wanted: Sequence[Wanted]) -> None:
        threading.Thread(target=self._read_all, args=(wanted,), name="attach", daemon=True).start()

    def stop(self) -> None:
        """Give up what is being read, at its next step; splits that are whole stay."""
        self._stop.set()

    def _read_all(self, wanted: Sequence[Wanted]) -> None:
        problems = []
        for data, splits, fit in wanted:
            try:
                self._read(self._fetch() if str(data) == "github" else data, splits, fit)
            except _Stopped:
                self.status = Attaching("idle")
                return
            except Exception as error:  # otherwise the sidebar would show it as reading forever
                logging.getLogger(__name__).exception("An image set could not be read")
                sentence = f"{data} could not be read ({type(error).__name__}); the server's log says why"
                if isinstance(error, DatasetError | OSError):
                    sentence = str(error).rstrip(".")
                problems.append(f"{sentence}.")
        self.status = Attaching("failed" if problems else "done", message=" ".join(problems))

    def _fetch(self) -> Path:
        from core.images.cifake import fetch_cifake  # noqa: PLC0415 - only this needs the network

        return fetch_cifake(
            downloading=self._progress("Downloading CIFAKE"), checking=self._progress("Checking CIFAKE")
        )

    def _read(self, data: str | Path, splits: Sequence[Split], fit: Preprocessing | None) -> None:
        has_training = False
        with suppress(DatasetError, OSError):
            has_training = check_image_set(data, "train") > 0
        for split in splits:
            # not every set has any
            if split == "test" or has_training:
                progress = self._progress("Reading pictures")
                images = load_image_set(data, split, skip_bad=True, fit=fit, progress=progress)
                with self._lock:
                    self._sets[images.fingerprint, images.side, images.fit] = images
        if has_training:
            self.source = data if isinstance(data, str) else str(data)

    def _progress(self, doing: str) -> Progress:
        """Return a callback for the progress of something that begins now."""

        def progress(done: int, total: int) -> None:
            if self._stop.is_set():
                raise _Stopped
            self.status = Attaching("reading", doing, min(1.0, done / total) if total else 0.0)

        return progress


def registry() -> DatasetRegistry:
    """Return the registry of the image sets that pictures are taken from, one for all visitors."""
    return _registry_of(home())


@st.cache_resource(show_spinner=False)
def _registry_of(own: Path) -> DatasetRegistry:
    shipped = next((folder / SHIPPED for folder in homes() if is_shipped(folder / SHIPPED)), None)
    unpacked = own / "data" / "cifake"
    first = unpacked if unpacked.is_dir() or not is_fetched() else fetched_path()
    return DatasetRegistry(first, needed_splits(shipped), shipped=shipped)


def how_to_get_pictures() -> str:
    """Return a sentence for places where pictures are missing."""
    if registry().status.busy:
        return "They are being read and will appear here by themselves."
    return "Attach images on the left to see them." if is_local() else "Whoever runs this server can attach them."


def needed_splits(shipped: Path | None = None) -> tuple[Split, ...]:
    """Return the splits whose pictures the runs here need, besides those of a set that has shipped."""
    needed: set[Split] = {"test"} if shipped is None else set()
    fingerprint = None
    with suppress(ContractError):
        if shipped is not None:
            fingerprint = read_manifest(shipped, SHIPPED_KIND).get("fingerprint")
    for path in runs().values():
        with suppress(ContractError):
            manifest = read_manifest(path, "run")
            if "images.npy" not in manifest["files"] and manifest.get("set_fingerprint") != fingerprint:
                needed.add(split_of(str(manifest.get("set"))))
    return tuple(sorted(needed))
