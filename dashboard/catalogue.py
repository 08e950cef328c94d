"""The runs, detectors and image sets that are here, and the reasons why some of them cannot be used.

Image sets are shared by all visitors, and attached or downloaded in a thread of their own.
"""

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from core.console import one_direction
from core.detectors.identity import DetectorHandle, find_maker, identify_all
from core.homes import home, homes
from core.images.cifake import fetch_cifake, fetched_path, is_fetched, is_shipped
from core.images.image_set import DataPath, DatasetError, ImageSet, Split
from core.images.loading import check_image_set, load_image_set
from core.images.preprocessing import Preprocessing
from core.images.sources import SHIPPED, remembered
from core.runs.folders import find_detectors, find_runs
from core.runs.run import Run
from dashboard.visitors import for_visitors, hide_parent, is_local

ON_SAMPLE = "@sample-test"


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
        share: how much is done of one step: downloading, checking, reading; 0 to 1.
        message: a sentence on a set that could not be read; it may name a path that somebody has typed.
    """

    state: Literal["idle", "reading", "done", "failed"] = "idle"
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

    What ships has the state "reading" at once, but is only read after `begin`, so that the first page does not compete
    with it for the processor.

    Args:
        shipped: the folder of CIFAKE's test set as it ships; None without it.
        source: the place of training images, until a set that has some is attached; None without any.
    """

    def __init__(self, shipped: Path | None = None, source: str | Path | None = None) -> None:
        self.shipped = shipped
        self.source = source
        self._lock = threading.Lock()
        # by fingerprint, side and steps: other detectors may see other pixels of the same files
        self._sets: dict[tuple[str, int, str], ImageSet] = {}
        # fingerprints of sets that were looked for where they were last read from
        self._recalled = set[str]()
        self._stop = threading.Event()
        self._has_begun = shipped is None
        self.status = Attaching("idle" if shipped is None else "reading")

    @property
    def sets(self) -> tuple[ImageSet, ...]:
        """The attached image sets, the newest last."""
        with self._lock:
            return tuple(self._sets.values())

    def begin(self) -> None:
        """Begin to read what ships; does nothing from the second time on."""
        with self._lock:
            had_begun = self._has_begun
            self._has_begun = True
        if not had_begun and self.shipped is not None:
            self._start(self.shipped, "test", None)

    def attach(self, data: str | Path, split: Split = "test", *, fit: Preprocessing | None = None) -> bool:
        """Begin to read a split of a set, resized by `fit`; False where one is being read already."""
        with self._lock:
            if self.status.busy:
                return False
            self.status = Attaching("reading")
            self._stop.clear()
        hide_parent(data)
        self._start(data, split, fit)
        return True

    def recall(self, fingerprint: str) -> DataPath | None:
        """Return where a set was last read from, at the first call of each; None later, or where that is not known."""
        if fingerprint in self._recalled:
            return None
        self._recalled.add(fingerprint)
        return remembered(fingerprint)

    def _start(self, data: str | Path, split: Split, fit: Preprocessing | None) -> None:
        threading.Thread(target=self._read, args=(data, split, fit), name="attach", daemon=True).start()

    def stop(self) -> None:
        """Give up what is being read, at its next step."""
        self._stop.set()

    def _read(self, data: str | Path, split: Split, fit: Preprocessing | None) -> None:
        try:
            if str(data) == "github":
                data = fetch_cifake(self._progress)
            images = load_image_set(data, split, skip_bad=True, fit=fit, progress=self._progress)
        except _Stopped:
            self.status = Attaching()
        except (DatasetError, OSError) as error:
            self.status = Attaching("failed", message=str(error))
        except Exception as error:  # otherwise the sidebar would show it as reading forever
            logging.getLogger(__name__).exception("An image set could not be read")
            sentence = f"{data} could not be read ({type(error).__name__}); the server's log says why"
            self.status = Attaching("failed", message=sentence)
        else:
            with self._lock:
                self._sets[images.fingerprint, images.side, images.fit] = images
            # not every set has any
            with suppress(DatasetError, OSError):
                check_image_set(data, "train")
                self.source = data
            self.status = Attaching("done")

    def _progress(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.status = Attaching("reading", min(1.0, done / total) if total else 0.0)


def registry() -> DatasetRegistry:
    """Return the registry of the image sets that pictures are taken from, one for all visitors."""
    return _registry_of(home())


@st.cache_resource(show_spinner=False)
def _registry_of(own: Path) -> DatasetRegistry:
    shipped = next((folder / SHIPPED for folder in homes() if is_shipped(folder / SHIPPED)), None)
    source = own / "data" / "cifake"
    if not source.is_dir() and is_fetched():
        source = fetched_path()
    return DatasetRegistry(shipped, source if source.exists() else None)


def how_to_get_pictures() -> str:
    """Return a sentence for places where pictures are missing."""
    if registry().status.busy:
        return "They are being read and will appear here by themselves."
    return "Attach images on the left to see them." if is_local() else "Whoever runs this server can attach them."
