"""Extend the file of a study: find the columns that it lacks, and join new ones to those that it keeps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.metrics import count_cells
from core.runs.run import Run, read_run
from core.runs.writing import library_versions
from core.storage import ContractError
from core.studies.registry import STUDIES, find_study
from core.studies.result import StudyResult
from core.studies.sample import choose_rows
from core.studies.sealed import DETECTOR, foreign_key, read_sealed
from core.studies.store import read_study, study_path, write_study
from core.studies.study import WEIGHT, Study


@dataclass(frozen=True, eq=False)
class Kept:
    """The rows and columns of a study's file that are kept.

    Attributes:
        answer: as read, without columns of other versions.
        positions: intp (M,), positions of the run's rows.
        weights: float32 (M,), how many images of the run each stands for.
        missing: names of the columns to compute.
    """

    answer: StudyResult
    positions: NDArray[np.intp]
    weights: NDArray[np.float32]
    missing: frozenset[str]


def find_kept(
    study: Study, folder: Path, *, images: int | None = None, seed: int = 0, again: Collection[str] = ()
) -> Kept | None:
    """Find what can be kept of a run's file of a study.

    Args:
        study: as it is declared now.
        folder: the run's.
        images, seed: the file must be about these images (`choose_rows`); it may be about any where `images` is None.
        again: columns that are computed again.

    Returns:
        None where there is no such file, where it is of other images or parameters, and where a study of the whole set
        lacks a column.
    """
    run = read_run(folder)
    try:
        answer = read_study(study_path(folder, study.name), run)
    except ContractError:
        return None
    given = answer.about.get("parameters", {})
    if any(given[name] != value for name, value in study.parameters.items() if name in given):
        return None
    if study.whole and any(study.parameters[name] for name in study.private):
        # the file does not say which place it was made with
        return None
    table = answer.table.drop(columns=list(again), errors="ignore")
    answer = replace(answer, table=table)
    missing = frozenset(_lacking(study, table))
    chosen = None if images is None else choose_rows(run, images, seed=seed)[0]
    if study.whole:
        # with all images, no seed is used
        same = chosen is None or (
            len(chosen) == answer.about.get("images")
            and (len(chosen) == len(run) or answer.about.get("chosen_with_seed") == seed)
        )
        return None if missing or not same else Kept(answer, np.arange(0), np.ones(0, np.float32), missing)
    positions = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    if (positions < 0).any() or (chosen is not None and not np.array_equal(positions, chosen)):
        return None
    weights = table[WEIGHT].to_numpy(np.float32) if WEIGHT in table else np.ones(len(table), np.float32)
    return Kept(answer, np.asarray(positions, np.intp), weights, missing)


def settings_of(study: Study, folder: Path) -> dict[str, Any]:
    """Return the parameters that a run's file of a study names, of whatever version; none where it is damaged."""
    given = _described(study, folder).get("parameters", {})
    known = {name: value for name, value in study.parameters.items() if name not in study.private}
    return {name: given[name] for name, value in known.items() if type(given.get(name)) is type(value)}


def sample_of(study: Study, folder: Path) -> tuple[int, int] | None:
    """Return the number and seed of the images that a run's file of a study samples, of whatever version, or None."""
    about = _described(study, folder)
    images, of, seed = (about.get(name) for name in ("images", "of", "chosen_with_seed"))
    sample = isinstance(images, int) and isinstance(of, int) and isinstance(seed, int) and 0 < images < of
    return (images, seed) if sample else None  # type: ignore[return-value]


def _described(study: Study, folder: Path) -> dict[str, Any]:
    """Return what an intact file of a study of this very run says of itself, of whatever version; else nothing."""
    try:
        _, about, intact = read_sealed(study_path(folder, study.name))
    except Exception:  # noqa: BLE001 - pyarrow's errors share no base class, and the file is refused with reason later
        return {}
    if not intact or foreign_key(about, read_run(folder).manifest):
        return {}
    return about if isinstance(about.get("parameters", {}), dict) else {}


def lacking(found: StudyResult) -> tuple[str, ...]:
    """Return the declared columns that a study's file lacks, and that can be computed without the others.

    A study of a whole set has all of its columns or is refused.
    """
    name = str(found.about["study"])
    if name not in STUDIES or found.about.get("whole"):
        return ()
    return tuple(_lacking(find_study(name), found.table))


def _lacking(study: Study, table: pd.DataFrame) -> list[str]:
    """List the declared columns that a table lacks and that are not derived, in their order."""
    there = {*table, *study.derived}
    return [column for column in study.columns if column not in there]


def assembled(study: Study, run: Run, computed: pd.DataFrame, kept: Kept | None) -> pd.DataFrame:
    """Join new columns to those that are kept, add the derived ones, and put them in the declared order."""
    table = computed
    if kept is not None:
        old = kept.answer.table.drop(columns=list(study.derived), errors="ignore")
        table = pd.concat([old, computed[[name for name in computed if name not in old]]], axis=1)
    if study.whole:
        return table
    table = pd.concat([table, study.derive(run, table)], axis=1)
    return table[["id", *study.describe(table.columns)]]


def extended(kept: Kept, about: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a file to which columns were added: when each part was made, and with which libraries."""
    before, made = kept.answer.about, ("created", "seconds", "versions")
    part = {"columns": sorted(kept.missing), **{name: about[name] for name in made}}
    added = [*before.get("extended", []), *([part] if kept.missing else [])]
    stays = {name: before[name] for name in (*made, "chosen_with_seed") if name in before}
    return {**about, **stays, "extended": added}


def describe_again(study: Study, folder: Path, kept: Kept) -> Path:
    """Update the derived columns and the description of a file that lacks nothing.

    Values, parameters, hashes and dates stay as they are; `described` is the time of the update. A file that is up to
    date is not written.

    Args:
        study: as it is declared now.
        folder: the run's.
        kept: from `find_kept`, with nothing missing.

    Returns:
        The study's file.
    """
    path, run, before = study_path(folder, study.name), read_run(folder), kept.answer
    table = before.table
    if not study.whole:
        table = assembled(study, run, table[["id"]], kept).assign(**{WEIGHT: kept.weights})
    about = {**before.about, **declared(study, table)}
    if about != before.about or not table.equals(before.table):
        write_study(path, table, {**about, "described": datetime.now(UTC).isoformat(timespec="seconds")}, run)
    return path


def declared(study: Study, table: pd.DataFrame) -> dict[str, Any]:
    """Describe a study and each column of its file but `id` in plain words."""
    weight = {} if study.whole else {WEIGHT: "how many images of the run this one stands for"}
    return {
        "title": study.title,
        "question": study.question,
        "columns": study.describe(table.columns) | weight,
        "control": study.control,
        "explore": list(study.explore),
    }


def describe(
    study: Study, run: Run, table: pd.DataFrame, positions: NDArray[np.intp], *, seconds: float | None, seed: int
) -> dict[str, Any]:
    """Describe a new file: the study, its parameters, the run, and how it was made."""
    return {
        "study": study.name,
        **declared(study, table),
        "parameters": {name: value for name, value in study.parameters.items() if name not in study.private},
        "whole": study.whole,
        "detector": run.manifest["detector"],
        "detector_sha256": run.manifest["detector_sha256"],
        **({DETECTOR: run.manifest[DETECTOR]} if DETECTOR in run.manifest else {}),
        "set": run.manifest["set"],
        "set_fingerprint": run.manifest["set_fingerprint"],
        "images": len(positions),
        "of": len(run),
        "cells": count_cells(run.is_real[positions], run.predicted_real[positions]).tolist(),
        "chosen_with_seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": library_versions(),
    }
