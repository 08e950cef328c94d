"""How far a verdict carries: what the detector says of images that it was not made for, and how sure it sounds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.labels import CLASSES
from core.images.out_of_distribution import OutOfDistributionError, as_cifake, crop_photographs, read_generators
from core.metrics.classification import confidence_of
from core.metrics.intervals import clustered_share, wilson_interval
from core.runs.run import Run
from core.studies.neighbours.reference import is_sample
from core.studies.study import Context, Study, StudyError

# kinds of rows
OWN, GENERATOR, PHOTOGRAPHS = "test set", "generator", "photographs"
AS_IT_IS, AS_CIFAKE = "as it is", "JPEG like CIFAKE's"
EVERY_FILTER = "every filter"
SURE = 0.95


class Verdicts(NamedTuple):
    """Verdicts on one group of images.

    Attributes:
        real: bool (N,), called REAL.
        confidence: (N,), in the verdict, 0.5 to 1.
        clusters: integers (N,), images with the same number resemble each other; None where each stands alone.
        depends: bool (N,), the verdict hangs on the resampling filter; None where no filter had a say.
    """

    real: NDArray[np.bool_]
    confidence: NDArray[np.floating]
    clusters: NDArray[np.integer] | None = None
    depends: NDArray[np.bool_] | None = None


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """A row a group of images, the test set's own first."""
    found = [*_own(context.run), *_generators(context, parameters), *_photographs(context, parameters)]
    return pd.DataFrame(found).astype({"skipped": np.int32, "repeats": np.int32, "fingerprint": object})


def _own(run: Run) -> Iterator[dict[str, Any]]:
    """The control: the run's own images, by what they are."""
    frame = run.predictions
    for label in CLASSES:
        rows = frame[frame["label"].astype(str) == label]
        if len(rows):
            real, sure = rows["margin"].to_numpy() > 0, confidence_of(rows["p_real"].to_numpy())
            yield _row(OWN, label, AS_IT_IS, None, Verdicts(real, sure))


def _generators(context: Context, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    folder = str(parameters["generators"])
    if not folder:
        return
    try:
        found = read_generators(Path(folder).expanduser(), context.detector.side)
    except OutOfDistributionError as error:
        raise StudyError(str(error)) from None
    for encoding in (AS_CIFAKE, AS_IT_IS):
        whole = []
        for number, one in enumerate(found):
            context.say(0.4 * number / len(found), one.name)
            pixels = as_cifake(one.pixels) if encoding == AS_CIFAKE else one.pixels
            said = _ask(context, pixels)
            about = {"skipped": one.skipped, "repeats": one.repeats, "fingerprint": one.fingerprint}
            yield _row(GENERATOR, one.name, encoding, None, said) | about
            whole.append(said._replace(clusters=np.full(len(pixels), number)))
        yield _row(GENERATOR, "all", encoding, None, _together(whole))


def _photographs(context: Context, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # a detector of the sample has been trained on crops of its first five photographs
    split = "test" if is_sample(context.detector.manifest) else None
    cut = crop_photographs(crops=int(parameters["crops"]), side=context.detector.side, split=split)
    if not cut:
        return
    filters = list(next(iter(cut.values())))
    clusters = np.repeat(np.arange(len(cut)), [len(one[filters[0]]) for one in cut.values()])
    for encoding in (AS_CIFAKE, AS_IT_IS):
        said = {}
        for number, name in enumerate(filters):
            context.say(0.4 + 0.6 * number / len(filters), f"photographs, {name}")
            pixels = np.concatenate([one[name] for one in cut.values()])
            said[name] = _ask(context, as_cifake(pixels) if encoding == AS_CIFAKE else pixels)
            yield _row(PHOTOGRAPHS, "all", encoding, name, said[name]._replace(clusters=clusters))
        calls = np.stack([one.real for one in said.values()])
        everywhere = np.asarray(calls.all(axis=0))
        depends = np.asarray(calls.any(axis=0) & ~everywhere)
        sure = np.mean([one.confidence for one in said.values()], axis=0)
        together = Verdicts(everywhere, sure, clusters, depends)
        yield _row(PHOTOGRAPHS, "all", encoding, EVERY_FILTER, together)


def _ask(context: Context, pixels: NDArray[np.uint8]) -> Verdicts:
    margins = context.detector.margins(pixels)
    return Verdicts(margins > 0, confidence_of(context.detector.p_real(margins)))


def _together(parts: list[Verdicts]) -> Verdicts:
    real, sure, clusters = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:3])
    return Verdicts(real, sure, clusters)


def _row(kind: str, source: str, encoding: str, filter_: str | None, said: Verdicts) -> dict[str, Any]:
    """The numbers of one group."""
    count, real = len(said.real), int(said.real.sum())
    # under every filter a crop is called REAL, FAKE, or now this and now that
    fake = count - real if said.depends is None else count - real - int(said.depends.sum())
    if said.clusters is None:
        low, high = map(float, wilson_interval(real, count))
        depends = None
    else:
        _, low, high, _ = clustered_share(said.real, said.clusters)
        depends = None if said.depends is None else clustered_share(said.depends, said.clusters)
    return {
        "kind": kind,
        "source": source,
        "encoding": encoding,
        "filter": filter_,
        "images": count,
        "clusters": count if said.clusters is None else len(np.unique(said.clusters)),
        "called_real": real,
        "called_fake": fake,
        "share_real": real / count,
        "low": low,
        "high": high,
        "confidence": float(said.confidence.mean()),
        "confidence_sd": float(said.confidence.std()),
        "sure": float((said.confidence >= SURE).mean()),
        "depends": np.nan if depends is None else depends.value,
        "depends_low": np.nan if depends is None else depends.low,
        "depends_high": np.nan if depends is None else depends.high,
        "skipped": 0,
        "repeats": 0,
        "fingerprint": None,
    }


STUDY = Study(
    name="transfer",
    title="How far a verdict carries",
    question="What does the detector say of images that it was not made for, and does it sound as sure?",
    columns={
        "kind": "test set (the run's own), generator (pictures by others), photographs (ordinary ones, cut small)",
        "source": "the class in the test set, the generator, or all",
        "encoding": "the pixels as it is or after a JPEG like CIFAKE's (quality 75, 4:2:0)",
        "filter": "what made photographs small; every filter: what all of them agree on",
        "images": "images of the group",
        "clusters": "independent samples among them: generators, photographs, or the images themselves",
        "called_real": "called REAL",
        "called_fake": "called FAKE",
        "share_real": "share called REAL, 0 to 1",
        "low": "lower end of its 95 % interval, over clusters where they are fewer than the images",
        "high": "its upper end",
        "confidence": "mean confidence in the verdict, 0.5 to 1",
        "confidence_sd": "its standard deviation over images",
        "sure": "share of verdicts that are at least 95 % sure",
        "depends": "share whose verdict hangs on the filter",
        "depends_low": "lower end of its 95 % interval over photographs",
        "depends_high": "its upper end",
        "skipped": "files left out as damaged or of another size",
        "repeats": "files left out because an earlier one has the same pixels",
        "fingerprint": "sha256 over the pixels that were measured",
    },
    better="neither",
    control="The run's own images in the same table.",
    compute=compute,
    # a folder with one .tar.xz or folder of images for each generator; "" where there is none
    parameters={"generators": "", "crops": 100},
    private=("generators",),
    whole=True,
)
