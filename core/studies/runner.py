"""The runner of all studies: finds what a study needs, chooses the images, and computes them in shards.

Every finished shard is kept in the cache folder until the study's file is written, so that a killed process loses at
most one shard and no image is computed twice. Where a file is completed, its rows and columns stay, and only the
columns that it lacks are computed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from core.arrays import Array, Positions
from core.detectors.detector import Detector, pick_device
from core.detectors.identity import find_maker, identify_all
from core.detectors.storage import load_detector
from core.homes import ROOT, homes
from core.images.cifake import is_fetched
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.sources import SHIPPED, remembered
from core.runs.folders import find_detectors, find_run, library_versions, made_now
from core.runs.pictures import find_pictures
from core.runs.run import Run, read_run
from core.storage.atomic import cache_dir, read_manifest
from core.storage.limits import digest_of
from core.storage.shards import (
    Engine,
    Report,
    ShardProgress,
    compute_shards,
    progress_of,
    remove_shards,
    run_locally,
    silent,
)
from core.studies.shared.groups import choose_rows
from core.studies.store import KEPT, OF_RUN, StudyResult, foreign_key, study_path, with_derived, write_study
from core.studies.study import VERSIONS, WEIGHT, Context, Study, StudyError, find_study

FOLDER = ROOT / "data" / "cifake"


@dataclass(frozen=True)
class Source:
    """Paths and names from which any process can open a study's context.

    Attributes:
        run: the run's folder.
        detector: the folder of the detector that made it; None for a run of scores alone.
        data: where the images are, as for `load_image_set`; None if the run holds its own images.
        device: "auto", "cpu", "cuda" or "mps".
        missing: the columns, or the methods, to compute; None for all.
    """

    run: Path
    detector: Path | None
    data: str | None = None
    device: str = "auto"
    missing: frozenset[str] | None = None

    def open(self, report: Report = silent) -> Context:
        """Read run, detector and images, and check that they belong together.

        Args:
            report: called with how far the images are read; the context has it too.

        Raises:
            StudyError: the detector is another one, or pictures are missing.
            ContractError, DatasetError: something cannot be read.
        """
        run = read_run(self.run)
        detector = None
        if self.detector is not None:
            detector = load_detector(self.detector, device=self.device)
            if not detector.identity.made(run.manifest):
                raise StudyError(f"{self.detector} is not the detector that made {self.run}; name the one that did")
        sets = []
        if run.images is None and self.data is not None:
            progress = progress_of(report, "reading images")
            # a bad file may be skipped: pictures are found by the hash of their file, and no run holds what is no image
            sets = [load_image_set(self.data, run.split, fit=run.preprocessing, skip_bad=True, progress=progress)]
        pictures = find_pictures(run, sets)
        if pictures.pixels is None or pictures.found < len(run):
            raise StudyError(
                f"{len(run) - pictures.found} of the {len(run)} images of {run.name} are not in "
                f"{self.data or 'the run'} or have changed; say with --data where they are"
            )
        pixels = pictures.pixels
        if not np.array_equal(pictures.where, np.arange(len(pixels))):
            pixels = np.asarray(pixels[pictures.where])
        return Context(run, cast("Detector", detector), pixels, self.data, report, self.missing)


def find_source(
    run: str | Path, *, data: str | None = None, fake_classes: Sequence[str] = (), device: str = "auto"
) -> Source:
    """Find a run, the detector that made it, and its images.

    Args:
        run: name of the run, or its folder.
        data: where the images are, as for `load_image_set`. When None, where they were last read from, else data/cifake
            or a downloaded CIFAKE, which have the training images too, else the test set that ships.
        fake_classes: see `DataPath`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        StudyError: the detector is not here, or it is not known where the images are.
        ContractError: there is no such run, or it cannot be read.
    """
    folder = find_run(run)
    opened = read_run(folder)
    manifest = opened.manifest
    given = remembered(str(manifest["set_fingerprint"]))
    if data:
        given = DataPath(data, fake_classes)
    # refused here, before all of CIFAKE is read in vain
    if given is None and opened.images is None and not manifest["set"].startswith("cifake"):
        raise StudyError(f"{folder.name} does not store its pictures; add --data and what the run was made from")
    detectors, refused = identify_all(find_detectors((folder.parents[1], *homes())))
    maker = find_maker(manifest, detectors)
    if maker is None and not opened.scores_only:
        made_by = manifest["detector"]
        absent = f"the detector {made_by} that made {folder.name} is not here; there are {', '.join(detectors)}"
        raise StudyError(refused.get(made_by, absent))
    path = None if maker is None else detectors[maker].path
    return Source(folder, path, given or _usual_images(), device)


def _usual_images() -> str:
    """Name the fullest copy of CIFAKE that is here, as for `load_image_set`."""
    if FOLDER.is_dir():
        return str(FOLDER)
    return "github" if is_fetched() else SHIPPED


@dataclass(frozen=True)
class StudyWork:
    """A study of the images of a source, as work that is done in shards."""

    source: Source
    study: Study

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.name

    @property
    def device(self) -> str:
        """Device of the source."""
        return self.source.device

    def open(self, report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Open the source once for all shards."""
        context = self.source.open(report)

        def compute(positions: Positions) -> pd.DataFrame:
            return self.study.compute(context, positions, self.study.parameters)

        return compute


def run_study(
    study: Study | str,
    source: Source | str | Path,
    *,
    images: int | None = None,
    seed: int = 0,
    simple: bool = False,
    stored: StudyResult | None = None,
    engine: Engine = run_locally,
    progress: ShardProgress = silent,
) -> Path:
    """Compute a study of a run and write its file beside the run, replacing an older one.

    Args:
        study: the study, or its name.
        source: run, detector and images; or a run's name or folder, of which `find_source` finds the others.
        images: maximum number of images, chosen by `choose_rows`; all when None.
        seed, simple: of that choice.
        stored: from `find_stored`: its rows and columns stay as they are, and only the columns, or the methods, that it
            lacks are computed.
        engine: what computes the shards.
        progress: called with (images done, all images, what is being done).

    Returns:
        The study's file.

    Raises:
        StudyError: `images` is below 1, the run lacks pictures or maps that the study needs, or a table does not match
            the study's declaration, or the run was replaced meanwhile.
        ContractError, DatasetError: run, detector or images cannot be read.
        WriteError: a shard or the file cannot be written.
    """
    if isinstance(study, str):
        study = find_study(study)
    if not isinstance(source, Source):
        source = find_source(source)
    run = read_run(source.run)
    check_needs(study, run)
    if stored is None:
        positions, weights = choose_rows(run, images, seed=seed, simple=simple)
    else:
        seed = int(stored.about.get("chosen_with_seed", seed))
        chosen = stored.table.drop_duplicates("id")
        positions = pd.Index(run.predictions["id"]).get_indexer(chosen["id"])
        weights = np.asarray(chosen.get(WEIGHT, np.ones(len(positions))), np.float32)
        source = replace(source, missing=frozenset(study.missing(stored.table)))
    folder = work_folder(study, run, positions, source)
    size = study.shard
    if study.whole:
        size = max(1, len(positions))
    work = StudyWork(source, study)
    has_any_rows = study.whole or bool(study.methods)
    shards = dict(compute_shards(work, positions, size, folder, whole=has_any_rows, engine=engine, progress=progress))
    table = pd.concat([shards[number] for number in sorted(shards)], ignore_index=True)
    if not study.whole:
        ids = run.predictions["id"].to_numpy(str)[positions]
        _check_table(study, table, ids, source.missing)
        if stored is not None:
            table = study.completed(stored.table, table)
        weight_of = pd.Series(weights, ids)
        table = with_derived(study, run, table.assign(**{WEIGHT: weight_of[table["id"]].to_numpy()}))
    about = {**_describe(study, run), "images": len(positions), "chosen_with_seed": seed}
    if stored is not None:
        about |= {name: stored.about[name] for name in KEPT if name in stored.about}
    if foreign_key(about, read_manifest(source.run, "run")):
        raise StudyError(
            f"{run.name} was replaced while this study was computed, so nothing was written; give the same command "
            "again"
        )
    path = study_path(source.run, study.name)
    write_study(path, table, about, run)
    remove_shards(folder)
    return path


def _check_table(study: Study, table: pd.DataFrame, ids: Array, wanted: frozenset[str] | None) -> None:
    """Raise StudyError where a table has not the rows of each id in their order, or lacks what is wanted."""
    rows = table["id"]
    if study.methods:
        rows = rows.drop_duplicates()
    if not np.array_equal(rows.to_numpy(str), ids):
        raise StudyError(f"the study {study.name} does not give one row for each image in their order")
    lacks = [name for name in study.missing(table) if wanted is None or name in wanted]
    if lacks or not table.columns.is_unique:
        raise StudyError(f"the study {study.name} does not give the columns that it declares ({', '.join(lacks)})")


def _describe(study: Study, run: Run) -> dict[str, Any]:
    """Return what a study's file says of the study and its run."""
    columns = dict(study.columns)
    if not study.whole:
        columns[WEIGHT] = "how many images of the run this one stands for"
    return {
        "study": study.name,
        "title": study.title,
        "question": study.question,
        "control": study.control,
        "whole": study.whole,
        "columns": columns,
        "explore": list(study.explore),
        "parameters": {name: value for name, value in study.parameters.items() if name not in study.private},
        **{name: run.manifest[name] for name in ("detector", "set", *OF_RUN) if name in run.manifest},
        "of": len(run),
        **made_now(),
    }


def check_needs(study: Study, run: Run) -> None:
    """Raise StudyError where a run lacks what a study needs."""
    lacking = study.lacking(run)
    if lacking:
        raise StudyError(lacking)


def work_folder(study: Study, run: Run, positions: Positions, source: Source) -> Path:
    """Return the folder of the shards of exactly this study on exactly these images.

    Its name depends on the run's files too, because a run that was made again may have another order or other rounding;
    on the data, because some studies read other files; and on the device and the libraries' versions, because rounding
    differs.
    """
    key = json.dumps(
        [study.name, VERSIONS.get(study.name, 1), sorted(source.missing or study.parts), dict(study.parameters),
         study.shard, run.manifest, digest_of(positions.astype(np.int64).tobytes()), source.data,
         getattr(source.data, "fake_classes", ()), pick_device(source.device).type, library_versions()],
        sort_keys=True,
    )  # fmt: skip
    return cache_dir() / "studies" / f"{study.name}-{digest_of(key)[:20]}"
