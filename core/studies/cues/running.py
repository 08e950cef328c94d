"""Train and test the networks that a file does not hold yet, one after the other, and keep each at once."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from core.images.image_set import DatasetError, ImageSet
from core.images.loading import load_image_set
from core.runs.writing import library_versions
from core.storage import ContractError, TakenError, only_writer
from core.studies.cues.results import Results, empty_table, read_results, write_results
from core.studies.cues.training import RECIPE, Sets, Steps, Tested, Tests, train_on
from core.studies.cues.versions import EDITION, VERSIONS, Version
from core.training.recipe import Recipe

Say = Callable[[str], None]
Unit = tuple[str, int]
# makes networks elsewhere: yields each with its rows as it is finished
Engine = Callable[[list[Unit]], Iterator[tuple[Unit, pd.DataFrame]]]


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        versions: keys.
        seeds: of the networks of each version.
        limit: training images; a fifth as many test images. None for all.
        across: test images on which a network is tested on other versions than its own.
        recipe: of every network.
        skip_bad: leave out files that cannot be used.
    """

    versions: tuple[str, ...] = tuple(VERSIONS)
    seeds: tuple[int, ...] = (0, 1, 2)
    limit: int | None = None
    across: int = 4000
    recipe: Recipe = RECIPE
    skip_bad: bool = False

    def units(self) -> Iterator[Unit]:
        """The networks, in the order in which they are made: each version once before any a second time."""
        return ((version, seed) for seed in self.seeds for version in self.versions)

    def limited(self, train: ImageSet, test: ImageSet) -> tuple[ImageSet, ImageSet]:
        """The images that are trained and tested on."""
        if self.limit is None:
            return train, test
        return train.limited(self.limit), test.limited(max(2, self.limit // 5))

    def tests(self, train: ImageSet, test: ImageSet, versions: Mapping[str, Version] = VERSIONS) -> Tests:
        """The images, limited already, in all versions that networks are tested on."""
        return Tests(Sets.of(train, test, across=self.across), versions)


def load_both(data: str, *, skip_bad: bool = False) -> tuple[ImageSet, ImageSet]:
    """Load the training and the test images, as `load_image_set` does."""
    return load_image_set(data, "train", skip_bad=skip_bad), load_image_set(data, "test", skip_bad=skip_bad)


def run_on(
    train: ImageSet,
    test: ImageSet,
    plan: Plan,
    *,
    folder: Path,
    restart: bool = False,
    say: Say = print,
    steps: Steps | None = None,
    engine: Engine | None = None,
    versions: Mapping[str, Version] = VERSIONS,
) -> Path:
    """Train and test on image sets.

    Args:
        train, test: image sets of one side.
        plan: what is to be trained.
        folder: that gets the file, named after the test set.
        restart: discard what there is.
        say: called with a line for each network.
        steps: called with (steps done, all steps) of a training.
        engine: makes the networks, see `on_ray.py`; None for this process.
        versions: by key; all of them are tested on.

    Returns:
        The file.

    Raises:
        DatasetError: the sets differ in size.
        ContractError: the file there is of other images or settings.
        StudyError: the engine gave up.
    """
    if train.side != test.side:
        raise DatasetError(
            f"the training images have {train.side} pixels a side and the test images {test.side}; resize one of them"
        )
    some_train, some_test = plan.limited(train, test)
    path = folder / f"{test.name}.parquet"
    about = _about(some_train, some_test, plan, versions, test.fingerprint)
    if restart:
        path.unlink(missing_ok=True)
    # written at once: who asks with other settings is refused now, and not after a network of hours
    done = _begin(path, about)
    left = [unit for unit in plan.units() if unit not in done]
    if not left:
        say("Every network is there already.")
        return path
    say(f"{len(left)} networks of {len(plan.versions) * len(plan.seeds)}, {len(some_train):,} training images each")
    start = time.perf_counter()
    here = engine or (lambda units: _here(units, path, plan, plan.tests(some_train, some_test, versions), steps))
    try:
        for made, (unit, rows) in enumerate(here(left), start=1):
            _keep(path, about, unit, rows)
            own = rows.iloc[0]
            right = (own["right_fake"] + own["right_real"]) / (own["images_fake"] + own["images_real"])
            networks = len(left) - made
            told = _left((time.perf_counter() - start) / made * networks, networks)
            say(f"{unit[0]}, seed {unit[1]}: {right:.1%} in {own['seconds']:.0f} s{told}")
    finally:
        _forget_empty(path)
    return path


def _here(
    units: list[Unit], path: Path, plan: Plan, tests: Tests, steps: Steps | None
) -> Iterator[tuple[Unit, pd.DataFrame]]:
    """Train the networks that no other process is training or has saved meanwhile; each is locked until it is saved."""
    for unit in units:
        if unit in _done(path):
            continue
        try:
            with only_writer(path.parent / f"{path.stem}-{unit[0]}-{unit[1]}"):
                yield unit, network_rows(unit, plan, tests, steps)
        except TakenError:
            continue


def network_rows(unit: Unit, plan: Plan, tests: Tests, steps: Steps | None = None) -> pd.DataFrame:
    """Train one network and test it: the row of its own version first."""
    start = time.perf_counter()
    name, seed = unit
    version = tests.versions[name]
    detector = train_on(version, tests.sets, seed=seed, recipe=plan.recipe, steps=steps)
    found = {name: tests.own(detector, name)}
    if not version.shuffled:
        found |= tests.across(detector, name)
    rows = pd.DataFrame([_row(unit, tested, one) for tested, one in found.items()])
    return rows.assign(seconds=time.perf_counter() - start)


def _row(unit: Unit, tested: str, one: Tested) -> dict[str, Any]:
    trained, seed = unit
    return {
        "trained": trained, "tested": tested, "seed": seed, "images_fake": one.images[0],
        "images_real": one.images[1], "right_fake": one.right[0], "right_real": one.right[1],
    }  # fmt: skip


def _keep(path: Path, about: Mapping[str, Any], unit: Unit, rows: pd.DataFrame) -> None:
    """Add the rows of a network to the file; another process may add to it, the same network too, at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the lock's file stays: were it removed, two processes could each hold one of that name
    with FileLock(path.with_name(f".{path.name}.lock")):
        there = _of_these(path, about)
        if there is not None and unit in there.done:
            return
        before = empty_table() if there is None else there.table
        made = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "libraries": library_versions()}
        write_results(path, pd.concat([before, rows], ignore_index=True), {**about, **made})


def _begin(path: Path, about: Mapping[str, Any]) -> set[Unit]:
    """Write a file without rows where there is none, and return which networks the one that is there has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        there = _of_these(path, about)
        if there is None:
            write_results(path, empty_table(), about)
        return set() if there is None else there.done


def _forget_empty(path: Path) -> None:
    """Remove a file without rows, which would only stand in the way of other settings."""
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.is_file() and read_results(path).table.empty:
            path.unlink()


def _done(path: Path) -> set[Unit]:
    return read_results(path).done if path.is_file() else set()


def _of_these(path: Path, about: Mapping[str, Any]) -> Results | None:
    """Read the file that networks are added to; None where there is none. One of other settings is refused."""
    if not path.is_file():
        return None
    there = read_results(path)
    asked = json.loads(json.dumps(about))
    differs = [key for key in asked if key != "versions" and there.about.get(key) != asked[key]]
    if differs:
        raise ContractError(
            f"{path} was made with another {differs[0].replace('_', ' ')}; name another folder with --out, or pass "
            "--restart to discard it"
        )
    return there


def _about(train: ImageSet, test: ImageSet, plan: Plan, versions: Mapping[str, Version], whole: str) -> dict[str, Any]:
    told = {
        key: {
            "title": one.title,
            "family": one.family,
            "keeps": one.keeps_at(train.side),
            "control": one.control,
        }
        for key, one in versions.items()
    }
    return {
        "title": "Cues",
        "question": "How much of REAL against FAKE is in each cue alone?",
        "set": test.name,
        "set_fingerprint": test.fingerprint,
        "of_fingerprint": whole,
        "training_set": train.name,
        "training_fingerprint": train.fingerprint,
        "training_images": len(train),
        "limit": plan.limit,
        "recipe": plan.recipe.settings(),
        "edition": EDITION,
        "across": plan.across,
        "versions": told,
    }


def _left(seconds: float, networks: int) -> str:
    if not networks:
        return ""
    minutes = seconds / 60
    many = f"{minutes / 60:.1f} h" if minutes > 90 else f"{minutes:.0f} min" if minutes > 1.5 else f"{seconds:.0f} s"
    return f", about {many} left for {networks}"
