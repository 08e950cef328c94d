"""The one runner of all studies: chooses the images, computes them in shards, and goes on where it was stopped.

Every finished shard is kept in the cache folder until the study's file is written, so that a killed process loses at
most one shard and no image is computed twice.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.devices import pick_device
from core.detectors.storage import load_detector
from core.files import open_file
from core.images.image_set import load_image_set
from core.metrics.classification import count_cells
from core.runs.pictures import find_pictures
from core.runs.run import Run, library_versions, read_run
from core.storage import cache_dir, write_bytes_atomically
from core.studies.store import read_study, study_path, write_study
from core.studies.study import WEIGHT, Context, Study, StudyError

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Source:
    """Where a study's context comes from: a few words that another process can open too.

    Attributes:
        run: the run's folder.
        detector: the folder of the detector that made it.
        data: CIFAKE's folder or zip, "kaggle", "sample" or "cifake-test"; None where the run holds its own images.
        device: "auto", "cpu", "cuda" or "mps".
    """

    run: Path
    detector: Path
    data: str | None = None
    device: str = "auto"

    def open(self) -> Context:
        """Read run, detector and images, and check that they belong together.

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
            sets = [load_image_set(self.data, run.split, fit=run.preprocessing, skip_bad=True)]
        pictures = find_pictures(run, sets)
        if pictures.pixels is None or pictures.found < len(run):
            raise StudyError(
                f"{len(run) - pictures.found} of the {len(run)} images of {run.name} are not at hand; "
                "say with --data where CIFAKE is"
            )
        whole = np.array_equal(pictures.where, np.arange(len(pictures.pixels)))
        pixels = pictures.pixels if whole else np.asarray(pictures.pixels[pictures.where])
        return Context(run, detector, pixels, self.data)


@dataclass(frozen=True, eq=False)
class Work:
    """A study about to be computed.

    Attributes:
        study: what is asked.
        positions: intp (M,), rising positions of the run's rows.
        weights: float32 (M,), how many images of the run each stands for.
        folder: where finished shards are kept.
    """

    study: Study
    positions: NDArray[np.intp]
    weights: NDArray[np.float32]
    folder: Path

    @property
    def shards(self) -> list[NDArray[np.intp]]:
        """The positions of each shard."""
        if self.study.whole:
            return [self.positions]
        return [self.positions[at : at + self.study.shard] for at in range(0, len(self.positions), self.study.shard)]

    def file(self, number: int) -> Path:
        """Where shard `number` is kept."""
        return self.folder / f"{number:06d}.parquet"

    def read(self, number: int) -> pd.DataFrame | None:
        """A finished shard, None where it is not there or not whole."""
        try:
            with open_file(self.file(number)) as file:
                table = pd.read_parquet(file)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
            return None
        return table if self.study.whole or len(table) == len(self.shards[number]) else None

    def keep(self, number: int, table: pd.DataFrame) -> None:
        """Keep a finished shard."""
        write_bytes_atomically(self.file(number), lambda file: table.to_parquet(file, index=False))


# runs the shards that are still to do and yields each with its table, in any order
Engine = Callable[[Source, Work, list[int], Progress], Iterable[tuple[int, pd.DataFrame]]]


def run_study(
    study: Study,
    source: Source,
    *,
    images: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Path:
    """Ask a study of a run and write its file beside the run, in the place of an older one.

    Args:
        study: what to ask.
        source: run, detector and images.
        images: at most so many, see `choose_rows`; all when None.
        seed: of that choice.
        engine: what computes the shards; `run_locally` when None.
        progress: called with (images done, images, what is being done).

    Returns:
        The study's file.
    """
    started = time.perf_counter()
    say = progress or (lambda _done, _total, _text: None)
    run = read_run(source.run)
    if "maps" in study.needs and run.maps is None:
        raise StudyError(
            f"the study {study.name} compares maps, and {run.name} has none: its detector has no layers to read them "
            "from; ask it of another run"
        )
    positions, weights = choose_rows(run, images, seed=seed)
    device = pick_device(source.device).type
    folder = work_folder(study, run, positions, data=source.data, device=device)
    work = Work(study, positions, weights, folder)
    found = {number: work.read(number) for number in range(len(work.shards))}
    tables = {number: table for number, table in found.items() if table is not None}
    resumed = bool(tables)
    done = sum(len(work.shards[number]) for number in tables)
    say(done, len(positions), study.name)
    missing = [number for number in range(len(work.shards)) if number not in tables]
    if missing:
        for number, table in (engine or run_locally)(source, work, missing, say):
            work.keep(number, table)
            tables[number] = table
            done += len(work.shards[number])
            say(done, len(positions), study.name)
    table = pd.concat([tables[number] for number in sorted(tables)], ignore_index=True)
    if not study.whole:
        check_table(study, run, work, table)
        table[WEIGHT] = weights
    path = study_path(source.run, study.name)
    about = describe(study, run, table, work, seconds=None if resumed else time.perf_counter() - started, seed=seed)
    write_study(path, table, about)
    shutil.rmtree(work.folder, ignore_errors=True)
    return path


def describe_again(study: Study, folder: Path) -> Path:
    """Bring up to date what a study's file says of itself: title, question, columns and control in plain words.

    Values, parameters, hashes and dates stay as they are; `described` says when this was done. Sentences that an older
    file holds are left out: findings are made from the values.

    Args:
        study: as it is declared now.
        folder: the run's.

    Returns:
        The study's file.

    Raises:
        ContractError: there is no such file, or it cannot be read or is another run's.
        StudyError: its values were made by another version of the study.
    """
    run, path = read_run(folder), study_path(folder, study.name)
    answer = read_study(path, run)
    about = dict(answer.about)
    declared = _columns(study, answer.table)
    if about["version"] != study.version or list(about["columns"]) != list(declared):
        raise StudyError(
            f"{path} was made by another version of the study {study.name}, which gave other values; "
            "make it again without --again"
        )
    about |= {
        "title": study.title,
        "question": study.question,
        "columns": declared,
        "control": study.control,
        "better": study.better,
        "explore": list(study.explore),
        "described": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_study(path, answer.table, about)
    return path


def run_locally(
    source: Source, work: Work, missing: list[int], progress: Progress
) -> Iterable[tuple[int, pd.DataFrame]]:
    """The shards one after the other in this process."""
    opened = source.open()
    total = len(work.positions)
    context = replace(opened, say=lambda share, text: progress(int(share * total), total, text))
    shards = work.shards
    for number in missing:
        yield number, work.study.compute(context, shards[number], work.study.parameters)


def choose_rows(run: Run, images: int | None, *, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Every error, and of the right answers as many as fit, half for each class where there are enough.

    Errors take half of the places at most: beside nearly nothing but errors, a handful of right answers would have to
    stand for all others. Where there are more, all four cells are drawn from alike.

    Args:
        run: whose rows.
        images: how many in all; None for every image.
        seed: of the draw.

    Returns:
        intp (M,) rising positions, and float32 (M,) how many images of the run each of them stands for: 1 for an error
        that was taken for certain, more for an image that stands for others of its cell.
    """
    total = len(run)
    if images is None or images >= total:
        return np.arange(total), np.ones(total, np.float32)
    if images < 1:
        raise StudyError(f"the number of images must be at least 1, not {images}")
    label, called = (run.predictions[name].astype(str).to_numpy() for name in ("label", "predicted"))
    cells = [
        np.flatnonzero((label == true) & (called == said)) for true in ("FAKE", "REAL") for said in ("FAKE", "REAL")
    ]
    wrong, right = [cells[1], cells[2]], [cells[0], cells[3]]
    errors = sum(map(len, wrong))
    if 2 * errors <= images:
        quotas = [(cell, len(cell)) for cell in wrong] + _shares(right, images - errors)
    else:
        quotas = _shares(cells, images)
    generator = np.random.default_rng(seed)
    taken = [(generator.choice(cell, count, replace=False), len(cell) / count) for cell, count in quotas if count]
    positions = np.concatenate([rows for rows, _ in taken])
    weights = np.concatenate([np.full(len(rows), weight, np.float32) for rows, weight in taken])
    order = np.argsort(positions)
    return positions[order], weights[order]


def _shares(cells: list[NDArray[np.intp]], images: int) -> list[tuple[NDArray[np.intp], int]]:
    """How many of each cell make `images` together, as even as their sizes allow."""
    left, quotas = images, []
    for rank, cell in enumerate(sorted(cells, key=len)):
        count = min(len(cell), left // (len(cells) - rank))
        quotas.append((cell, count))
        left -= count
    return quotas


def work_folder(
    study: Study, run: Run, positions: NDArray[np.intp], *, data: str | None = None, device: str = "cpu"
) -> Path:
    """Where the shards of exactly this question on exactly these images are kept.

    With other files at hand (`data`) some studies find other things, and another device computes other last digits.
    """
    said = run.manifest
    key = json.dumps(
        [study.name, study.version, dict(study.parameters), study.shard, said["detector_sha256"],
         said.get("detector_fingerprint"), said.get("temperature"), device, said["set_fingerprint"],
         hashlib.sha256(positions.astype(np.int64).tobytes()).hexdigest(), data],
        sort_keys=True,
    )  # fmt: skip
    return cache_dir() / "studies" / f"{study.name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def check_table(study: Study, run: Run, work: Work, table: pd.DataFrame) -> None:
    """A study that breaks its own declaration is a mistake in its code, found before it is written."""
    declared = ["id", *study.describe(table.columns)]
    if list(table.columns) != declared:
        odd = set(table.columns).symmetric_difference(declared)
        raise StudyError(
            f"the study {study.name} does not give the columns that it declares ({', '.join(sorted(odd))})"
        )
    if not np.array_equal(table["id"].to_numpy(str), run.predictions["id"].to_numpy(str)[work.positions]):
        raise StudyError(f"the study {study.name} does not give one row for each image in their order")


def _columns(study: Study, table: pd.DataFrame) -> dict[str, str]:
    """The columns of a study's file but `id`, in plain words."""
    return study.describe(table.columns) | (
        {} if study.whole else {WEIGHT: "how many images of the run this one stands for"}
    )


def describe(
    study: Study, run: Run, table: pd.DataFrame, work: Work, *, seconds: float | None, seed: int
) -> Mapping[str, Any]:
    """What the file says of itself."""
    label = run.predictions["label"].astype(str).to_numpy()[work.positions] == "REAL"
    called = run.predictions["predicted"].astype(str).to_numpy()[work.positions] == "REAL"
    return {
        "study": study.name,
        "version": study.version,
        "title": study.title,
        "question": study.question,
        "columns": _columns(study, table),
        "better": study.better,
        "control": study.control,
        "parameters": {name: value for name, value in study.parameters.items() if name not in study.private},
        "explore": list(study.explore),
        "whole": study.whole,
        "detector": run.manifest["detector"],
        "detector_sha256": run.manifest["detector_sha256"],
        "set": run.manifest["set"],
        "set_fingerprint": run.manifest["set_fingerprint"],
        "images": len(work.positions),
        "of": len(run),
        "cells": count_cells(label, called).tolist(),
        "chosen_with_seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": library_versions(),
    }
