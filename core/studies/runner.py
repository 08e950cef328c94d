"""The one runner of all studies: chooses the images, computes them in shards, and goes on where it was stopped.

Every finished shard is kept in the cache folder until the study's file is written, so that a killed process loses at
most one shard and no image is computed twice. Columns that an older file has are kept too: only those that it lacks
are computed, for the images that it is about.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.devices import pick_device
from core.detectors.storage import load_detector
from core.images.loading import load_image_set
from core.runs.pictures import find_pictures
from core.runs.run import Run, read_run
from core.runs.writing import library_versions
from core.storage import cache_dir, open_file, read_manifest, write_bytes_atomically
from core.studies.kept import Kept, assembled, describe, extended
from core.studies.registry import version_of
from core.studies.sample import choose_rows
from core.studies.sealed import foreign_key
from core.studies.store import study_path, write_study
from core.studies.study import WEIGHT, Context, Study, StudyError

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
        self, *, missing: frozenset[str] | None = None, say: Callable[[str], None] = lambda _text: None
    ) -> Context:
        """Read run, detector and images, and check that they belong together.

        Args:
            missing: the columns to compute; None for all.
            say: called with how far the images are read.

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
                    progress=lambda done, total: say(f"reading images, {done / max(1, total):.0%}"),
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


@dataclass(frozen=True, eq=False)
class Work:
    """A study about to be computed.

    Attributes:
        study: what is asked.
        positions: intp (M,), rising positions of the run's rows.
        folder: where finished shards are kept.
        missing: the columns that are computed; None for all.
    """

    study: Study
    positions: NDArray[np.intp]
    folder: Path
    missing: frozenset[str] | None = None

    def compute(self, context: Context, number: int) -> pd.DataFrame:
        """The table of shard `number`, in a context that was opened for the same missing columns."""
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
        """Return the file of shard `number`."""
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
    kept: Kept | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Path:
    """Ask a study of a run and write its file beside the run, in the place of an older one.

    Args:
        study: what to ask.
        source: run, detector and images.
        images: maximum number of images, chosen by `choose_rows`; all when None.
        seed: of that choice.
        kept: from `find_kept`: its rows and columns stay as they are, and only the columns that it lacks are computed.
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
    started = time.perf_counter()
    say = progress or (lambda _done, _total, _text: None)
    run = read_run(source.run)
    if "maps" in study.needs and run.maps is None:
        raise StudyError(
            f"the study {study.name} compares maps, and {run.name} has none: its detector has no layers to read them "
            "from; ask it of another run"
        )
    if kept is None:
        positions, weights = choose_rows(run, images, seed=seed)
    else:
        positions, weights = kept.positions, kept.weights
    device = pick_device(source.device).type
    missing = None if kept is None else kept.missing
    folder = work_folder(study, run, positions, missing=missing, data=source.data, device=device)
    work = Work(study, positions, folder, missing)
    computed, resumed = _compute(source, work, engine or run_locally, say)
    if not study.whole:
        check_table(study, run, work, computed)
    table = assembled(study, run, computed, kept)
    if not study.whole:
        table[WEIGHT] = weights
    seconds = None if resumed else time.perf_counter() - started
    about = describe(study, run, table, positions, seconds=seconds, seed=seed)
    path = study_path(source.run, study.name)
    if foreign_key(about, read_manifest(source.run, "run")):
        raise StudyError(
            f"{run.name} was replaced while this study was computed, so nothing was written; give the same command "
            "again"
        )
    write_study(path, table, about if kept is None else extended(kept, about), run)
    shutil.rmtree(work.folder, ignore_errors=True)
    return path


def _compute(source: Source, work: Work, engine: Engine, say: Progress) -> tuple[pd.DataFrame, bool]:
    """All shards as one table, and whether some were there already."""
    found = {number: work.read(number) for number in range(len(work.shards))}
    tables = {number: table for number, table in found.items() if table is not None}
    resumed = bool(tables)
    unfinished = [number for number in found if number not in tables]
    done, total = work.done_besides(unfinished), len(work.positions)
    say(done, total, work.study.name)
    if unfinished:
        for number, table in engine(source, work, unfinished, say):
            work.keep(number, table)
            tables[number] = table
            done += len(work.shards[number])
            say(done, total, work.study.name)
    return pd.concat([tables[number] for number in sorted(tables)], ignore_index=True), resumed


def run_locally(
    source: Source, work: Work, missing: list[int], progress: Progress
) -> Iterable[tuple[int, pd.DataFrame]]:
    """The shards one after the other in this process."""
    done, total = work.done_besides(missing), len(work.positions)
    opened = source.open(missing=work.missing, say=lambda text: progress(done, total, text))
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
    versions = {name: version_of(study.name, name) for name in sorted(study.columns if missing is None else missing)}
    key = json.dumps(
        [study.name, versions, dict(study.parameters), study.shard, manifest["detector_sha256"],
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
