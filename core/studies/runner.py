"""The runner of all studies: finds what a study needs, chooses the images, and computes them in shards.

Every finished shard is kept in the cache folder until the study's file is written, so that a killed process loses at
most one shard and no image is computed twice. Where a file is completed, its rows and columns stay, and only the
columns that it lacks are computed.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.devices import pick_device
from core.detectors.identity import find_maker, identify_all
from core.detectors.storage import load_detector
from core.images.cifake import is_fetched, is_shipped
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.sources import SHIPPED, SHIPPED_FOLDER
from core.runs.folders import ROOT, command_homes, find_detectors, find_named, find_runs
from core.runs.metrics import count_cells
from core.runs.pictures import find_pictures
from core.runs.run import Run, read_run
from core.runs.writing import library_versions
from core.storage import cache_dir, open_file, read_manifest, write_bytes_atomically
from core.studies.groups import choose_rows
from core.studies.store import DETECTOR, StoredColumns, foreign_key, read_study, study_path, with_derived, write_study
from core.studies.study import VERSIONS, WEIGHT, Context, Study, StudyError

__all__ = ["Engine", "Progress", "Source", "Work", "find_source", "read_run", "read_study", "run_study"]

FOLDER = ROOT / "data" / "cifake"
# called with (images done, all images, what is being done)
Progress = Callable[[int, int, str], None]


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
        sets = []
        if run.images is None and self.data is not None:
            # pictures are found by the hash of their file: one that is no image is in no run
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
            lacks = f"{self.data} lacks them (removed or changed): restore them, or make the run again"
            raise StudyError(
                f"{len(run) - pictures.found} of the {len(run)} images of {run.name} are not available; "
                f"{lacks if sets else 'say with --data where they are'}"
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
        data: where the images are, as for `load_image_set`. When None, data/cifake or a downloaded CIFAKE, which have
            the training images too, else the test set that ships.
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
    if data:
        data = DataPath(data, fake_classes)
    elif FOLDER.is_dir():
        data = str(FOLDER)
    elif is_fetched():
        data = "github"
    elif is_shipped(SHIPPED_FOLDER):
        data = SHIPPED
    return Source(folder, detectors[maker].path, data, device)


@dataclass(frozen=True, eq=False)
class Work:
    """A study about to be computed.

    Attributes:
        study: the study.
        positions: intp (M,), rising positions of the run's rows.
        folder: where finished shards are kept.
        missing: the columns that are computed; None for all.
    """

    study: Study
    positions: NDArray[np.intp]
    folder: Path
    missing: frozenset[str] | None = None

    @cached_property
    def shards(self) -> list[NDArray[np.intp]]:
        """The positions of each shard."""
        if self.study.whole:
            return [self.positions]
        return [self.positions[at : at + self.study.shard] for at in range(0, len(self.positions), self.study.shard)]

    def compute(self, context: Context, number: int) -> pd.DataFrame:
        """Compute the table of a shard, in a context that was opened for the same missing columns."""
        return self.study.compute(context, self.shards[number], self.study.parameters)

    def read(self, number: int) -> pd.DataFrame | None:
        """Read a finished shard, None where it is not there or not whole."""
        try:
            with open_file(self._file(number)) as file:
                table = pd.read_parquet(file)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
            return None
        return table if self.study.whole or len(table) == len(self.shards[number]) else None

    def keep(self, number: int, table: pd.DataFrame) -> None:
        """Write a finished shard."""
        write_bytes_atomically(self._file(number), lambda file: table.to_parquet(file, index=False))

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"


# (source, work, numbers of the shards to compute, report of what is being done) -> each with its table, in any order
Engine = Callable[[Source, Work, list[int], Callable[[float, str], None]], Iterable[tuple[int, pd.DataFrame]]]


def run_locally(
    source: Source, work: Work, missing: list[int], report: Callable[[float, str], None]
) -> Iterable[tuple[int, pd.DataFrame]]:
    """Compute shards one after the other in this process, an `Engine`."""
    # one context for all shards: studies remember what they have made for it
    context = replace(source.open(missing=work.missing, report=lambda text: report(0.0, text)), report=report)
    for number in missing:
        yield number, work.compute(context, number)


def run_study(
    study: Study,
    source: Source,
    *,
    images: int | None = None,
    seed: int = 0,
    simple: bool = False,
    stored: StoredColumns | None = None,
    engine: Engine = run_locally,
    progress: Progress = lambda _done, _total, _text: None,
) -> Path:
    """Compute a study of a run and write its file beside the run, in the place of an older one.

    Args:
        study: the study.
        source: run, detector and images.
        images: maximum number of images, chosen by `choose_rows`; all when None.
        seed, simple: of that choice.
        stored: from `find_stored`: its rows and columns stay as they are, and only the columns that it lacks are
            computed.
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
    started, run = time.perf_counter(), read_run(source.run)
    if "maps" in study.needs and run.maps is None:
        raise StudyError(
            f"the study {study.name} compares maps, and {run.name} has none: its detector has no layers to read them "
            "from; choose another run"
        )
    if stored is None:
        positions, weights = choose_rows(run, images, seed=seed, simple=simple)
    else:
        old = stored.result.table
        positions, weights = stored.positions, np.asarray(old.get(WEIGHT, np.ones(len(old))), np.float32)
        seed = int(stored.result.about.get("chosen_with_seed", seed))
    missing = None if stored is None else stored.missing
    device = pick_device(source.device).type
    folder = work_folder(study, run, positions, missing=missing, data=source.data, device=device)
    work = Work(study, positions, folder, missing)
    table, resumed = _compute(source, work, engine, progress)
    if not study.whole:
        check_table(study, run, work, table)
        if stored is not None:
            table = pd.concat([old, table.drop(columns=old.columns, errors="ignore")], axis=1)
        table = with_derived(study, run, table.assign(**{WEIGHT: weights}))
    about = {
        "study": study.name,
        **{name: getattr(study, name) for name in ("title", "question", "control")},
        "columns": study.describe(table.columns)
        | ({} if study.whole else {WEIGHT: "how many images of the run this one stands for"}),
        "explore": list(study.explore),
        "parameters": {name: value for name, value in study.parameters.items() if name not in study.private},
        "whole": study.whole,
        **{name: run.manifest[name] for name in ("detector", "detector_sha256", "set", "set_fingerprint")},
        **({DETECTOR: run.manifest[DETECTOR]} if DETECTOR in run.manifest else {}),
        "images": len(positions),
        "of": len(run),
        "cells": count_cells(run.is_real[positions], run.predicted_real[positions]).tolist(),
        "chosen_with_seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None if resumed or stored is not None else time.perf_counter() - started,
        "versions": library_versions(),
    }
    path = study_path(source.run, study.name)
    if foreign_key(about, read_manifest(source.run, "run")):
        raise StudyError(
            f"{run.name} was replaced while this study was computed, so nothing was written; give the same command "
            "again"
        )
    write_study(path, table, about, run)
    shutil.rmtree(work.folder, ignore_errors=True)
    return path


def _compute(source: Source, work: Work, engine: Engine, progress: Progress) -> tuple[pd.DataFrame, bool]:
    """Compute all shards as one table, and tell whether some were there already."""
    tables = {number: table for number in range(len(work.shards)) if (table := work.read(number)) is not None}
    unfinished, resumed = [number for number in range(len(work.shards)) if number not in tables], bool(tables)
    total, done = len(work.positions), sum(len(work.shards[number]) for number in tables)
    progress(done, total, work.study.name)
    if unfinished:
        before = done
        for number, table in engine(
            source, work, unfinished, lambda share, text: progress(before + int(share * (total - before)), total, text)
        ):
            work.keep(number, table)
            tables[number] = table
            done += len(work.shards[number])
            progress(done, total, work.study.name)
    return pd.concat([tables[number] for number in sorted(tables)], ignore_index=True), resumed


def work_folder(
    study: Study,
    run: Run,
    positions: NDArray[np.intp],
    *,
    missing: frozenset[str] | None = None,
    data: str | None = None,
    device: str = "cpu",
) -> Path:
    """Return the folder of the shards of exactly this study on exactly these images.

    Its name depends on the run's files too, because a run that was made again may have another order or other rounding;
    on `data`, because some studies read other files; and on `device` and the libraries' versions, because rounding
    differs.
    """
    manifest = run.manifest
    key = json.dumps(
        [study.name, VERSIONS.get(study.name, 1), sorted(study.columns if missing is None else missing),
         dict(study.parameters), study.shard, manifest["detector_sha256"],
         manifest.get("detector_fingerprint"), manifest.get("temperature"), device, library_versions(),
         manifest["set_fingerprint"], manifest.get("files"),
         hashlib.sha256(positions.astype(np.int64).tobytes()).hexdigest(), data,
         *getattr(data, "fake_classes", ())],
        sort_keys=True,
    )  # fmt: skip
    return cache_dir() / "studies" / f"{study.name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def check_table(study: Study, run: Run, work: Work, table: pd.DataFrame) -> None:
    """Check a study's table against the study's declaration before it is written.

    Raises:
        StudyError: other columns than declared, or not one row for each image in order.
    """
    given = [name for name in table if name != "id"]
    lacks = (work.missing or set(study.columns).difference(study.derived)).difference(given)
    odd = {name for name in given if name in study.derived or not (name in study.columns or study.further(name))}
    if lacks or odd or len(set(given)) < len(given):
        named = ", ".join(sorted(lacks | odd))
        raise StudyError(f"the study {study.name} does not give the columns that it declares ({named})")
    if not np.array_equal(table["id"].to_numpy(str), run.predictions["id"].to_numpy(str)[work.positions]):
        raise StudyError(f"the study {study.name} does not give one row for each image in their order")
