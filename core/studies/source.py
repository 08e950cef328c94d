"""Find the run, the detector and the images that a study needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.detectors.identity import find_maker, identify_all
from core.detectors.storage import load_detector
from core.images.cifake import is_fetched, is_shipped
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.sources import SHIPPED, SHIPPED_FOLDER
from core.runs.folders import ROOT, command_homes, find_detectors, find_named, find_runs
from core.runs.pictures import find_pictures
from core.runs.run import read_run
from core.studies.study import Context, StudyError

FOLDER = ROOT / "data" / "cifake"


@dataclass(frozen=True)
class Source:
    """Paths and names from which any process can open a study's context.

    Attributes:
        run: the run's folder.
        detector: the folder of the detector that made it.
        data: where the images are, as for `load_image_set`; None if the run holds its own images.
        device: "auto", "cpu", "cuda" or "mps".
    """

    run: Path
    detector: Path
    data: str | None = None
    device: str = "auto"

    def open(
        self, *, missing: frozenset[str] | None = None, report: Callable[[str], None] = lambda _text: None
    ) -> Context:
        """Read run, detector and images, and check that they belong together.

        Args:
            missing: the columns to compute; None for all.
            report: called with how far the images are read.

        Raises:
            StudyError: the detector is another one, or pictures are missing.
            ContractError, DatasetError: something cannot be read.
        """
        run, detector = read_run(self.run), load_detector(self.detector, device=self.device)
        if not detector.identity.made(run.manifest):
            raise StudyError(f"{self.detector} is not the detector that made {self.run}; name the one that did")
        # pictures are found by the hash of their file: one that is no image is in no run
        sets = []
        if run.images is None and self.data is not None:
            sets = [
                load_image_set(
                    self.data,
                    run.split,
                    fit=run.preprocessing,
                    skip_bad=True,
                    progress=lambda done, total: report(f"reading images, {done / max(1, total):.0%}"),
                )
            ]
        pictures = find_pictures(run, sets)
        if pictures.pixels is None or pictures.found < len(run):
            remedy = (
                f"{self.data} lacks them (removed or changed): restore them, or make the run again"
                if sets
                else "say with --data where they are"
            )
            raise StudyError(
                f"{len(run) - pictures.found} of the {len(run)} images of {run.name} are not available; {remedy}"
            )
        whole = np.array_equal(pictures.where, np.arange(len(pictures.pixels)))
        pixels = pictures.pixels if whole else np.asarray(pictures.pixels[pictures.where])
        return Context(run, detector, pixels, self.data, missing=missing)


def find_source(
    run: str | Path, *, data: str | None = None, fake_classes: Sequence[str] = (), device: str = "auto"
) -> Source:
    """Find a run, the detector that made it, and its images.

    Args:
        run: name of the run, or its folder.
        data: where the images are, as for `load_image_set`; the default place of CIFAKE when None.
        fake_classes: see `DataPath`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        StudyError: the detector is not here.
        ContractError: there is no such run, or it cannot be read.
    """
    runs = find_runs()
    folder = find_named(str(run), runs, "run")
    manifest = read_run(folder).manifest
    homes = (folder.parents[1], *command_homes(), *(path.parents[1] for path in runs.values()))
    detectors, refused = identify_all(find_detectors(homes))
    maker = find_maker(manifest, detectors)
    if maker is None:
        made_by = manifest["detector"]
        absent = f"the detector {made_by} that made {folder.name} is not here; there are {', '.join(detectors)}"
        raise StudyError(refused.get(made_by, absent))
    return Source(folder, detectors[maker].path, DataPath(data, fake_classes) if data else _default_data(), device)


def _default_data() -> str | None:
    """Return the default place of CIFAKE; what was unpacked or downloaded has the training images too."""
    if FOLDER.is_dir():
        return str(FOLDER)
    if is_fetched():
        return "github"
    return SHIPPED if is_shipped(SHIPPED_FOLDER) else None
