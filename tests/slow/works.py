"""Pieces of work that write: what each does, and what must hold of its files after whatever befell it.

Each prepares a folder, works in it while it reports what is done, and checks afterwards, as the next start would.
"""

import hashlib
import io
import os
import re
import sqlite3
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import train
from core.detectors.detector import Detector
from core.detectors.resnet import round_to_float16
from core.detectors.storage import load_detector, save_detector
from core.images.image_set import ImageSet, Split
from core.images.loading import load_image_set
from core.runs.run import read_run
from core.runs.tags import TagError, Tags
from core.runs.writing import write_run
from core.studies import runner, study
from core.studies.command import main as make_study
from core.studies.store import read_study, study_path
from core.studies.study import Context
from tests.conftest import make_detector, write_cifake
from tests.core.studies import conftest as studies
from tests.dashboard.conftest import image_set
from tests.faults import Report

CORRUPT, LOST, SILENT = "corrupt", "lost", "no sentence"
# what the next start found: nothing to go on from, something, or all of it
ANEW, RESUMED, DONE = "began anew", "resumed", "was done"
Problems = list[tuple[str, str]]
# what, why, and what to do
SENTENCE = re.compile(r"[^\n]+ (could not|cannot) be [^\n]+ \([^\n]+\)[;,] [^\n]+")


class Work(ABC):
    """A piece of work in a folder of its own.

    Attributes:
        name: for the table.
        sizes: of files, in bytes, at which a disk is full in the midst of what this writes.
    """

    name: str
    sizes: Sequence[int] = (0, 200, 1000, 5000)

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Make what the work needs."""

    @abstractmethod
    def do(self, folder: Path, report: Report) -> str:
        """Do it; what it says to whoever asked for it, "" where all went well."""

    @abstractmethod
    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        """Make the next start: what it found there (ANEW, RESUMED or DONE), and what is wrong.

        Args:
            folder: as the work has left it.
            reported: what it said was done.
            expected: from `result` of an undisturbed work.
        """

    @abstractmethod
    def stage(self, reported: list[Any]) -> str:
        """What it was at after it had said this."""

    @abstractmethod
    def result(self, folder: Path) -> Any:
        """What it comes to, the same each time it is done."""

    def enter(self, folder: Path) -> None:
        """Keep the cache in the folder too."""
        os.environ["TELLTALE_CACHE"] = str(folder / "cache")


def problem_of(sentence: str, folder: Path) -> Problems:
    """Whether what was said to whoever asked is one sentence on what happened, where in `folder`, and what to do."""
    if "Traceback" in sentence or not SENTENCE.fullmatch(sentence.strip()) or str(folder) not in sentence:
        return [(SILENT, f"said {sentence!r}")]
    return []


class _Lines:
    """A standard output whose lines are reported as they come."""

    def __init__(self, report: Report) -> None:
        self.report, self.rest = report, ""

    def write(self, text: str) -> int:
        *whole, self.rest = (self.rest + text).split("\n")
        for line in whole:
            self.report(line)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        # as in a log: no progress bar goes there
        return False


class Training(Work):
    """`train.py` on a tiny network: image packs, a checkpoint an epoch, run and detector."""

    name = "training"
    epochs = 3
    # a checkpoint of this network has about 90 KB, its weights half of that
    sizes = (0, 300, 3000, 20_000, 60_000)

    def prepare(self, folder: Path) -> None:
        write_cifake(folder / "cifake", train=8, test=4)

    def do(self, folder: Path, report: Report) -> str:
        status, said = self._train(folder, report)
        return said or (f"nothing, and ended with {status}" if status else "")

    def stage(self, reported: list[Any]) -> str:
        if any("Written:" in line for line in reported):
            return "written"
        if epochs := self._epochs(reported):
            return f"epoch {epochs + 1}" if epochs < self.epochs else "testing and writing"
        return "epoch 1" if reported else "reading images"

    def _epochs(self, reported: list[Any]) -> int:
        return max((int(found[1]) for line in reported if (found := re.match(r"epoch (\d+)/", line))), default=0)

    def _train(self, folder: Path, report: Report) -> tuple[int, str]:
        self.enter(folder)
        arguments = ["--data", folder / "cifake", "--recipe", "sample", "--name", "tiny", "--out", folder / "out"]
        arguments += ["--device", "cpu", "--resume", "--precision", "float32"]
        arguments += ["--width", 4, "--epochs", self.epochs, "--batch-size", 8]
        errors: list[str] = []
        said, output = _Lines(errors.append), sys.stdout
        sys.stdout, sys.stderr, before = _Lines(report), said, sys.stderr  # type: ignore[assignment]
        try:
            status = train.main([str(argument) for argument in arguments])
        finally:
            sys.stdout, sys.stderr = output, before
        return status, "\n".join(line for line in errors if line.strip())

    def result(self, folder: Path) -> Any:
        detector = load_detector(folder / "out" / "detectors" / "tiny", device="cpu")
        run = read_run(folder / "out" / "runs" / "tiny@cifake-test")
        return detector.sha256, run.manifest["metrics"]["all"], run.predictions["margin"].tolist()

    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        lines: list[Any] = []
        status, said = self._train(folder, lines.append)
        if status and not (status == 2 and "exists; choose another" in said):
            return ANEW, [(CORRUPT, f"does not go on: {said or lines}")]
        epochs = self._epochs(reported)
        went_on = next(
            (int(found[1]) for line in lines if (found := re.match(r"Continuing after epoch (\d+)", line))), 0
        )
        problems: Problems = []
        if not status and went_on < epochs:
            problems.append((LOST, f"epoch {epochs} was reported and it went on after {went_on}"))
        if not status and self.stage(reported) == "written":
            problems.append((LOST, "was reported as written and was trained again"))
        if self.result(folder) != expected:
            problems.append((CORRUPT, "other weights or verdicts than without a fault"))
        return (DONE if status else RESUMED if went_on else ANEW), problems


class Pack(Work):
    """Reading an image set, which keeps a pack of its pixels in the cache."""

    name = "pack cache"
    sizes = (0, 100, 4000, 40_000)

    splits: tuple[Split, ...] = ("train", "test")

    def prepare(self, folder: Path) -> None:
        write_cifake(folder / "cifake", train=12, test=8)

    def do(self, folder: Path, report: Report) -> str:
        self.enter(folder)
        with redirect_stderr(io.StringIO()) as said:
            # twice: what could not be kept is read again
            for split in 2 * self.splits:
                report((split, self._digest(load_image_set(folder / "cifake", split))))
        # the same of each split, as the folder is the same
        return "".join(set(said.getvalue().splitlines()))

    def stage(self, reported: list[Any]) -> str:
        done, splits = len(reported), len(self.splits)
        if done == 2 * splits:
            return "all read"
        return f"{'packing' if done < splits else 'reading'} {self.splits[done % splits]}"

    def result(self, folder: Path) -> Any:
        self.enter(folder)
        return {split: self._digest(load_image_set(folder / "cifake", split)) for split in self.splits}

    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        kept = len(list((folder / "cache" / "images").glob("[!.]*/manifest.json")))
        problems: Problems = []
        if any(digest != expected[split] for split, digest in reported):
            problems.append((CORRUPT, "other images than without a fault"))
        # once from what was left, once from what that start has packed
        if any(self.result(folder) != expected for _ in range(2)):
            problems.append((CORRUPT, "other images at the next start"))
        return (DONE if kept == len(self.splits) else RESUMED if kept else ANEW), problems

    def _digest(self, images: ImageSet) -> str:
        said = f"{images.fingerprint} {images.rows.to_csv()}".encode()
        return hashlib.sha256(np.asarray(images.pixels).tobytes() + said).hexdigest()


def versions(count: int) -> list[Detector]:
    """Detectors of one name that differ in their weights."""
    made = [make_detector(width=4, seed=seed) for seed in range(count)]
    for detector in made:
        round_to_float16(detector.network)
        detector.manifest = {"name": "tiny"}
    return made


class Runs(Work):
    """Writing one run over another, again and again."""

    name = "run writer"
    count = 4

    def __init__(self) -> None:
        self.images = image_set("made-test", 12)
        self.detectors = versions(self.count)
        self.number = {detector.sha256: number for number, detector in enumerate(self.detectors)}

    def prepare(self, folder: Path) -> None:
        self._write(folder, 0)

    def _write(self, folder: Path, number: int) -> None:
        write_run(folder, self.detectors[number], self.images, ship_images=True, replace=True)

    def _read(self, folder: Path) -> int:
        run = read_run(folder / "runs" / "tiny@made-test")
        return self.number[run.manifest["detector_sha256"]]

    def do(self, folder: Path, report: Report) -> str:
        for number in range(1, self.count):
            try:
                self._write(folder, number)
            except OSError as error:
                return str(error)
            report(number)
        return ""

    def result(self, folder: Path) -> Any:
        return self._read(folder)

    def stage(self, reported: list[Any]) -> str:
        done = len(reported)
        return f"version {done + 1}" if done < self.count - 1 else "all written"

    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        last = reported[-1] if reported else 0
        try:
            found = self._read(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, it cannot be read
            return ANEW, [(CORRUPT, f"{type(error).__name__}: {error}")]
        came = DONE if found == expected else RESUMED
        if found not in (last, last + 1):
            return came, [(LOST, f"version {last} was reported and {found} is there")]
        self._write(folder, self.count - 1)
        return came, [] if self._read(folder) == expected else [(CORRUPT, "cannot be written any more")]


class Detectors(Runs):
    """Writing one detector over another, again and again."""

    name = "detector writer"

    def _write(self, folder: Path, number: int) -> None:
        save_detector(folder / "detectors" / "tiny", self.detectors[number], model_card="# tiny\n", replace=True)

    def _read(self, folder: Path) -> int:
        return self.number[load_detector(folder / "detectors" / "tiny", device="cpu").sha256]


class Studies(Work):
    """`python -m core study` with a study of six shards."""

    name = "study runner"
    shard, images = 6, 36
    computed: list[int] = []  # noqa: RUF012 - in a child of its own each time

    def prepare(self, folder: Path) -> None:
        studies.write_made(folder / "home", self.images)

    def do(self, folder: Path, report: Report) -> str:
        status, said = self._make(folder, report)
        return said or (f"nothing, and ended with {status}" if status else "")

    def stage(self, reported: list[Any]) -> str:
        if "done" in reported:
            return "written"
        shards = self.images // self.shard
        return f"shard {len(reported) + 1}" if len(reported) < shards else "writing"

    def _make(self, folder: Path, report: Report) -> tuple[int, str]:
        self.enter(folder)
        self.computed = []

        def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
            self.computed.extend(rows)
            return studies.brightness(context, rows, parameters)

        keep = runner.Work.keep

        def keeps(work: runner.Work, number: int, table: pd.DataFrame) -> None:
            keep(work, number, table)
            report(number)

        study.STUDIES["brightness"] = studies.__name__
        studies.STUDY = replace(studies.BRIGHTNESS, shard=self.shard, compute=compute)  # type: ignore[attr-defined]
        errors: list[str] = []
        before, sys.stderr = sys.stderr, _Lines(errors.append)  # type: ignore[assignment]
        runner.Work.keep = keeps  # type: ignore[method-assign]
        try:
            status = make_study(["brightness", "--run", str(self._run(folder)), "--device", "cpu"])
        finally:
            sys.stderr = before
            runner.Work.keep = keep  # type: ignore[method-assign]
        if status == 0:
            report("done")
        return status, "\n".join(line for line in errors if line.strip())

    def _run(self, folder: Path) -> Path:
        return folder / "home" / "runs" / "tiny@made-test"

    def result(self, folder: Path) -> Any:
        run = read_run(self._run(folder))
        answer = read_study(run.path / "studies" / "brightness.parquet", run)
        return answer.table["id"].tolist(), answer.table["brightness"].tolist()

    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        # a study that is written is made anew when it is asked for again
        written = study_path(self._run(folder), "brightness").exists()
        if written and self.result(folder) != expected:
            return DONE, [(CORRUPT, "another answer than without a fault")]
        if "done" in reported and not written:
            return ANEW, [(LOST, "was reported as done and is not there")]
        shards = len([one for one in reported if one != "done"])
        status, said = self._make(folder, lambda _: None)
        if status:
            return ANEW, [(CORRUPT, f"does not go on: {said}")]
        problems: Problems = []
        again = len(self.computed) + shards * self.shard - self.images
        if again > 0 and not written:
            problems.append((LOST, f"{again} images were computed again"))
        if self.result(folder) != expected:
            problems.append((CORRUPT, "another answer at the next start"))
        return (DONE if written else RESUMED if len(self.computed) < self.images else ANEW), problems


class Tagging(Work):
    """Tags and notes, one after the other."""

    name = "tags"
    count = 15
    # SQLite writes pages of 4096 bytes, to its journal too
    sizes = (0, 100, 512, 4096, 8192, 12_288, 16_384)

    def prepare(self, folder: Path) -> None:
        pass

    def do(self, folder: Path, report: Report) -> str:
        tags, said = Tags(folder / "tags.sqlite"), ""
        for number in range(self.count):
            try:
                tags.add([f"image-{number}"], "odd")
                tags.note(f"image-{number}", f"note {number} " + "x" * 500)
            except TagError as error:
                said = str(error)
            else:
                report(number)
        return said

    def stage(self, reported: list[Any]) -> str:
        fifth = 5 * len(reported) // self.count
        return f"tags {fifth * self.count // 5 + 1} to {(fifth + 1) * self.count // 5}" if fifth < 5 else "all kept"

    def result(self, folder: Path) -> Any:
        tags = Tags(folder / "tags.sqlite")
        return sorted(tags.ids("odd")), [len(tags.note_of(f"image-{number}")) for number in range(self.count)]

    def check(self, folder: Path, reported: list[Any], expected: Any) -> tuple[str, Problems]:
        tags = Tags(folder / "tags.sqlite")
        kept = {id_ for id_ in tags.ids("odd") if tags.note_of(id_).startswith(f"note {id_.rpartition('-')[2]} ")}
        problems: Problems = [(CORRUPT, tags.problem)] if tags.problem else []
        if gone := {f"image-{number}" for number in reported} - kept:
            problems.append((LOST, f"{len(gone)} tags or notes that were reported as kept"))
        if tags.path.exists():
            with sqlite3.connect(tags.path) as connection:
                (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
            if sound != "ok":
                problems.append((CORRUPT, sound))
        for number in range(self.count):
            tags.add([f"image-{number}"], "odd")
            tags.note(f"image-{number}", f"note {number} " + "x" * 500)
        if self.result(folder) != expected:
            problems.append((CORRUPT, "takes no tags any more"))
        return (DONE if len(kept) == self.count else RESUMED if kept else ANEW), problems


WORKS: dict[str, type[Work]] = {work.name: work for work in (Training, Pack, Runs, Detectors, Studies, Tagging)}
