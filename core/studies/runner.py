"""The one runner of all studies: chooses the images, computes them in shards, and goes on where it was stopped.

Every finished shard is kept in the cache folder until the study's file is written, so that a killed process loses at
most one shard and no image is computed twice. Where a file is completed, its rows and columns stay, and only the
columns that it lacks are computed.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.devices import pick_device
from core.runs.metrics import count_cells
from core.runs.run import Run, read_run
from core.runs.writing import library_versions
from core.storage import cache_dir, open_file, read_manifest, write_bytes_atomically
from core.studies.groups import choose_rows
from core.studies.registry import VERSIONS
from core.studies.result import StudyResult
from core.studies.sealed import DETECTOR, foreign_key
from core.studies.source import Source, find_source
from core.studies.store import StoredColumns, read_study, study_path, write_study
from core.studies.study import WEIGHT, Context, Study, StudyError

# called with (images done, all images, what is being done)
Progress = Callable[[int, int, str], None]


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

    def compute(self, context: Context, number: int) -> pd.DataFrame:
        """Compute the table of a shard, in a context that was opened for the same missing columns."""
        return self.study.compute(context, self.shards[number], self.study.parameters)

    @cached_property
    def shards(self) -> list[NDArray[np.intp]]:
        """The positions of each shard."""
        if self.study.whole:
            return [self.positions]
        return [self.positions[at : at + self.study.shard] for at in range(0, len(self.positions), self.study.shard)]

    def done_besides(self, missing: Collection[int]) -> int:
        """Count the images of all shards but those in `missing`."""
        return len(self.positions) - sum(len(self.shards[number]) for number in missing)

    def file(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{number:06d}.parquet"

    def read(self, number: int) -> pd.DataFrame | None:
        """Read a finished shard, None where it is not there or not whole."""
        try:
            with open_file(self.file(number)) as file:
                table = pd.read_parquet(file)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
            return None
        return table if self.study.whole or len(table) == len(self.shards[number]) else None

    def keep(self, number: int, table: pd.DataFrame) -> None:
        """Write a finished shard."""
        write_bytes_atomically(self.file(number), lambda file: table.to_parquet(file, index=False))


# computes the shards that are still to do and yields each with its table, in any order
Engine = Callable[[Source, Work, list[int], Progress], Iterable[tuple[int, pd.DataFrame]]]


def run_study(
    study: Study,
    source: Source,
    *,
    images: int | None = None,
    seed: int = 0,
    stored: StoredColumns | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Path:
    """Compute a study of a run and write its file beside the run, in the place of an older one.

    Args:
        study: the study.
        source: run, detector and images.
        images: maximum number of images, chosen by `choose_rows`; all when None.
        seed: of that choice.
        stored: from `find_stored`: its rows and columns stay as they are, and only the columns that it lacks are
            computed.
        engine: what computes the shards; `run_locally` when None.
        progress: called with (images done, all images, what is being done).

    Returns:
        The study's file.

    Raises:
        StudyError: `images` is below 1, the run lacks pictures or maps that the study needs, or a table does not match
            the study's declaration, or the run was replaced meanwhile.
        ContractError, DatasetError: run, detector or images cannot be read.
        WriteError: a shard or the file cannot be written.
    """
    started, report, run = time.perf_counter(), progress or (lambda _done, _total, _text: None), read_run(source.run)
    if "maps" in study.needs and run.maps is None:
        raise StudyError(
            f"the study {study.name} compares maps, and {run.name} has none: its detector has no layers to read them "
            "from; choose another run"
        )
    if stored is None:
        positions, weights = choose_rows(run, images, seed=seed)
    else:
        positions, weights = stored.positions, _weights_of(stored.result.table)
        seed = int(stored.result.about.get("chosen_with_seed", seed))
    missing, device = None if stored is None else stored.missing, pick_device(source.device).type
    folder = work_folder(study, run, positions, missing=missing, data=source.data, device=device)
    work = Work(study, positions, folder, missing)
    computed, resumed = _compute(source, work, engine or run_locally, report)
    if not study.whole:
        check_table(study, run, work, computed)
    table = _assemble(study, run, computed if stored is None else _joined(stored.result.table, computed), weights)
    about = {
        "study": study.name,
        **_declared(study, table),
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


def make_study(
    study: Study,
    run: str | Path,
    *,
    data: str | None = None,
    images: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> StudyResult:
    """Compute a study for a run, write its file beside it, and return it.

    Args:
        study: the study.
        run: name of the run, or its folder.
        data, device: see `find_source`.
        images, seed: see `run_study`, whose errors are raised.
    """
    source = find_source(run, data=data, device=device)
    return read_study(run_study(study, source, images=images, seed=seed), read_run(source.run))


def conclude_again(path: Path, run: Run) -> StudyResult:
    """Make the findings of a study's file again; its values stay.

    Raises:
        ContractError: the file cannot be read, or its values lack what is concluded from.
    """
    result = read_study(path, run)
    result.concluded()
    write_study(path, result.table, result.about, run)
    return read_study(path, run)


def _weights_of(table: pd.DataFrame) -> NDArray[np.float32]:
    return np.asarray(table.get(WEIGHT, np.ones(len(table))), np.float32)


def _joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that are missing to those that stay."""
    return pd.concat([old, new[[name for name in new if name not in old]]], axis=1)


def _assemble(study: Study, run: Run, table: pd.DataFrame, weights: NDArray[np.float32]) -> pd.DataFrame:
    """Derive what follows from the other columns, add the weights, and put the columns in the declared order.

    Columns of an older file that the study no longer declares stay behind the others.
    """
    if study.whole:
        return table
    table = table.drop(columns=[*study.derived, WEIGHT], errors="ignore")
    table = pd.concat([table, study.derive(run, table)], axis=1)
    declared = ["id", *study.describe(table.columns)]
    return table[[*declared, *(name for name in table if name not in declared)]].assign(**{WEIGHT: weights})


def _declared(study: Study, table: pd.DataFrame) -> dict[str, Any]:
    """Describe a study and each column of its file but `id` in plain words."""
    weight = {} if study.whole else {WEIGHT: "how many images of the run this one stands for"}
    return {
        **{name: getattr(study, name) for name in ("title", "question", "control")},
        "columns": study.describe(table.columns) | weight,
        "explore": list(study.explore),
    }


def _compute(source: Source, work: Work, engine: Engine, report: Progress) -> tuple[pd.DataFrame, bool]:
    """Compute all shards as one table, and tell whether some were there already."""
    tables = {number: table for number in range(len(work.shards)) if (table := work.read(number)) is not None}
    unfinished, resumed = [number for number in range(len(work.shards)) if number not in tables], bool(tables)
    done, total = work.done_besides(unfinished), len(work.positions)
    report(done, total, work.study.name)
    if unfinished:
        for number, table in engine(source, work, unfinished, report):
            work.keep(number, table)
            tables[number] = table
            done += len(work.shards[number])
            report(done, total, work.study.name)
    return pd.concat([tables[number] for number in sorted(tables)], ignore_index=True), resumed


def run_locally(
    source: Source, work: Work, missing: list[int], progress: Progress
) -> Iterable[tuple[int, pd.DataFrame]]:
    """Compute the shards one after the other in this process."""
    done, total = work.done_besides(missing), len(work.positions)
    opened = source.open(missing=work.missing, report=lambda text: progress(done, total, text))
    # the same object for all shards: studies remember what they have made for it
    context = replace(opened, say=lambda share, text: progress(int(share * total), total, text))
    for number in missing:
        yield number, work.compute(context, number)


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
