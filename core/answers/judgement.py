"""Judge one picture: FAKE-like, nothing found, or out of scope, by one threshold on the margin.

In scope are pictures that arrive at the detector's own size. Such a picture is FAKE-like if its margin lies below the
threshold, as it is and after every saving in `SAVINGS`. The threshold is set on images that the detector held out of
its training, and lies beside a run of the detector in `studies/judgement.json`, with how often it is right.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt

from core.arrays import Array, Float32, Floats, Pixels
from core.console import PROGRAM, quote
from core.detectors.identity import Identity
from core.images.labels import CLASSES, REAL, ClassName
from core.images.out_of_distribution import crop_photographs
from core.images.preprocessing import Prepared, Preprocessing
from core.perturbations.delivery import DELIVERIES, deliver
from core.runs.run import Run
from core.storage.atomic import SEAL, read_manifest, sealed, write_text
from core.storage.limits import ContractError, parse_json, read_bytes
from core.studies.store import read_study, study_path
from core.studies.study import StudyError

if TYPE_CHECKING:
    from core.detectors.detector import Detector

FILE = "judgement.json"
MAX_BYTES = 2**20
SAVINGS = ("jpeg_95", "jpeg_85", "jpeg_75", "webp_80")
# of REAL images, at most so many may be FAKE-like, and of FAKE images at least so many must be
MOST_FALSE_ALARMS = 0.01
LEAST_RECALL = 0.5
# of what is allowed, the part that held-out images may use up
SAFETY = 0.5
# crops of each photograph
CROPS = 100
BATCH = 64
OUT_OF_SCOPE = "Out of scope"
# answer, or why a picture is out of scope -> what is said
SENTENCES = {
    "FAKE-like": "It carries the signs that this detector knows.",
    "Nothing found": "No sign that this detector knows. That does not make it a photograph: pictures by other "
    "generators look like this to it too.",
    "shrunk": "Your picture was shrunk to {side} x {side}; the fine detail that this detector reads is gone.",
    "enlarged": "Your picture was enlarged to {side} x {side}; enlarging changes what the detector reads.",
    "cut": "Your picture was cut to {side} x {side}; the detector sees only a part of it.",
    "unmeasured": "How far this detector can be trusted has not been measured.",
    "weak": "On its own test images this detector is wrong too often to answer.",
}


class Count(BaseModel, frozen=True):
    """How many of some images were FAKE-like: `hits` of `images`, which come from as many independent `sources`."""

    hits: NonNegativeInt
    images: NonNegativeInt
    sources: NonNegativeInt

    @property
    def share(self) -> float:
        """The share of the images, 0 to 1; 0 of none."""
        return self.hits / max(1, self.images)


class Threshold(BaseModel, frozen=True):
    """A detector's threshold, with what it does on images whose class is known.

    Attributes:
        detector: fingerprint of the detector.
        run: name that the run beside which it lies had then.
        margin: at most 0; below it, a picture is FAKE-like.
        held_out, test: counts by class, of the images that the threshold was set on and of the run's own.
        photographs: counts of squares cut from ordinary photographs and shrunk.
        savings: names of the post-processing that a picture must survive.
        made: sets and versions that it was set with.
    """

    version: Literal[2] = 2
    detector: str
    run: str
    margin: FiniteFloat = Field(le=0)
    held_out: dict[ClassName, Count]
    test: dict[ClassName, Count]
    photographs: Count
    savings: tuple[str, ...]
    made: dict[str, Any]

    @property
    def useful(self) -> bool:
        """True if it finds enough of the FAKE test images and accuses few enough of the REAL ones."""
        return self.test["FAKE"].share >= LEAST_RECALL and self.test["REAL"].share <= MOST_FALSE_ALARMS


class Judgement(NamedTuple):
    """What can be said of a picture.

    Attributes:
        answer: "FAKE-like", "Nothing found" or "Out of scope".
        scope: "in scope", or a key of `SENTENCES`.
        sentence: the answer's fixed text, or the one reason.
    """

    answer: str
    scope: str
    sentence: str


def scope_of(ready: Prepared, threshold: Threshold | None) -> str:
    """Return "in scope" for a picture at the detector's own size, or the one reason why it is not."""
    if ready.resized:
        if ready.preprocessing.enlarges(ready.height, ready.width, ready.location):
            return "enlarged"
        return "shrunk"
    if not ready.whole:
        return "cut"
    if threshold is None:
        return "unmeasured"
    return "in scope" if threshold.useful else "weak"


def versions(ready: Prepared) -> Pixels:
    """Return what a detector is asked of a picture, uint8 (K, S, S, 3): under each filter, or whole and saved."""
    return and_saved(ready.pixels[0], ready.preprocessing) if ready.whole else ready.pixels


def and_saved(image: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Return an image of the detector's own size, uint8 (S, S, 3), and after each of `SAVINGS`: uint8 (5, S, S, 3)."""
    savings = [delivery for delivery in DELIVERIES if delivery.name in SAVINGS]
    return np.stack([image, *(version.pixels for version in deliver(image, preprocessing.fitted, among=savings))])


def judge(ready: Prepared, threshold: Threshold | None, margins: Sequence[float] | Floats) -> Judgement:
    """Judge a picture.

    Args:
        ready: the picture as the detector sees it.
        threshold: of the detector; None where nobody has set one.
        margins: of its `versions`.
    """
    scope = scope_of(ready, threshold)
    if scope != "in scope" or threshold is None:
        return Judgement(OUT_OF_SCOPE, scope, SENTENCES[scope].format(side=ready.preprocessing.size))
    answer = "FAKE-like" if max(margins) < threshold.margin else "Nothing found"
    return Judgement(answer, scope, SENTENCES[answer])


def scores(detector: "Detector", pixels: Pixels) -> Float32:
    """Return the largest margin of each picture, as it is and after every saving; pixels are uint8 (N, S, S, 3)."""
    largest = [np.zeros(0, np.float32)]
    for start in range(0, len(pixels), BATCH):
        batch = np.asarray(pixels[start : start + BATCH])
        asked = np.concatenate([and_saved(image, detector.preprocessing) for image in batch])
        largest.append(detector.margins(asked).reshape(len(batch), -1).max(axis=1))
    return np.concatenate(largest)


def find_margin(real: Floats) -> float:
    """Return the highest threshold, at most 0, below which few enough scores of held-out REAL images lie.

    Few enough is `SAFETY` of `MOST_FALSE_ALARMS`, as other images of the same kind may be somewhat harder.

    Raises:
        StudyError: there are too few images to tell.
    """
    share = SAFETY * MOST_FALSE_ALARMS
    if share * len(real) < 1:
        raise StudyError(f"{len(real)} held-out REAL images are too few to set a threshold; hold out more of them")
    # as many scores as are allowed lie below this one
    highest = np.sort(real)[int(share * len(real))]
    return min(0.0, float(highest))


def calibrate(run: Run, detector: "Detector", data: str | None) -> Threshold:
    """Set a detector's threshold.

    Args:
        run: of the detector, with the study `deliveries` of all its images, which gives the counts on its test set.
        detector: that made it.
        data: where the images are that the detector was trained on, of which it has held some out.

    Raises:
        StudyError, DatasetError, ContractError: what is missing, in one sentence.
    """
    from core.images.loading import reading_bar  # noqa: PLC0415 - torch
    from core.runs.pictures import find_training_set  # noqa: PLC0415
    from core.training.held_out import validation_split  # noqa: PLC0415

    table = read_study(study_path(run.path, "deliveries"), run).table
    deliveries = table.set_index("id").rename(columns={delivery.column: delivery.name for delivery in DELIVERIES})
    if len(deliveries) < len(run) or not set(SAVINGS) <= set(deliveries):
        raise StudyError(
            f"{run.name} lacks the study deliveries of all its images; "
            f"{PROGRAM} study deliveries --run {quote(run.name)} makes it"
        )
    recipe = detector.manifest.get("recipe", {})
    with reading_bar("train") as progress:
        training = find_training_set(detector, data, progress=progress)
    if training is None or not recipe.get("validation"):
        raise StudyError(f"{data} holds no images that {detector.name} held out of its training; name them with --data")
    digests = training.rows["sha256"].to_numpy()
    held = validation_split(digests, training.labels, recipe["validation"], seed=recipe["seed"])
    held_out = scores(detector, training.pixels[np.flatnonzero(held)])
    labels = training.labels[held]
    margin = find_margin(held_out[labels == REAL])
    test = deliveries.loc[run.predictions["id"], list(SAVINGS)].assign(own=run.predictions["margin"].to_numpy())
    photographs = crop_photographs(detector.preprocessing, crops=CROPS)
    squares = [source.pixels[detector.preprocessing.interpolation] for source in photographs]
    hits = sum(int((scores(detector, images) < margin).sum()) for images in squares)
    return Threshold(
        detector=detector.identity.fingerprint,
        run=run.name,
        margin=margin,
        held_out=_counts(held_out, labels, margin),
        test=_counts(test.max(axis=1, skipna=False).to_numpy(), run.is_real, margin),
        photographs=Count(hits=hits, images=sum(map(len, squares)), sources=len(squares)),
        savings=SAVINGS,
        made={"held out of": training.name},
    )


def _counts(margins: Floats, labels: Array, margin: float) -> dict[ClassName, Count]:
    classes = {name: margins[labels == label] for label, name in enumerate(CLASSES)}
    return {
        name: Count(hits=int((own < margin).sum()), images=len(own), sources=len(own)) for name, own in classes.items()
    }


def threshold_path(run: Path) -> Path:
    """Return where the threshold of a run's detector lies."""
    return run / "studies" / FILE


def write_threshold(run: Path, threshold: Threshold) -> Path:
    """Write a sealed threshold beside a run, in place of an older one.

    Raises:
        WriteError: the disk is full or read-only.
    """
    path = threshold_path(run)
    text = json.dumps(sealed(threshold.model_dump(mode="json")), indent=1) + "\n"
    write_text(path, text)
    return path


def read_threshold(run: Path) -> Threshold | None:
    """Read the threshold beside a run, whatever the run is called now; None where there is none.

    Raises:
        ContractError: the file is not as `write_threshold` wrote it; those of versions before the seal are not either.
    """
    path = threshold_path(run)
    try:
        content = parse_json(read_bytes(path, limit=MAX_BYTES))
        if content.get(SEAL) == sealed(content)[SEAL]:
            return Threshold.model_validate(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, RecursionError):
        # no file, no JSON, or no object of a threshold's fields
        pass
    again = f"{PROGRAM} judgement --run {quote(str(run))} --data TRAINING-IMAGES"
    raise ContractError(f"{path} is no threshold with a seal that fits; make it again: {again}")


def find_threshold(detector: Identity, runs: Iterable[Path]) -> Threshold | None:
    """Find the threshold of a detector beside one of its runs.

    Args:
        detector: whose.
        runs: folders of runs, those to prefer first.

    Raises:
        ContractError: the one beside a run of this detector is damaged, was edited, or has no seal.
    """
    for run in runs:
        try:
            threshold = read_threshold(run)
        except ContractError:
            if detector.made(read_manifest(run, "run")):
                raise
            continue
        if threshold is not None and threshold.detector == detector.fingerprint:
            return threshold
    return None
