"""How far a verdict carries: what the detector says of images that it was not made for, and how sure it sounds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.labels import CLASSES
from core.images.out_of_distribution import (
    AS_DRAWN,
    OutOfDistributionError,
    SourceImages,
    as_cifake,
    crop_photographs,
    read_generators,
)
from core.images.preprocessing import Preprocessing
from core.metrics.intervals import clustered_share
from core.runs.metrics import confidence_of, wilson_interval
from core.runs.run import Run
from core.studies.neighbours.reference import is_sample
from core.studies.study import Context, Study, StudyError

# kinds of rows
OWN, IMITATIONS, LARGE, PHOTOGRAPHS = "test set", "generator", "large generator", "photographs"
AS_IT_IS, AS_CIFAKE = "as it is", "JPEG like CIFAKE's"
CRUDEST = "nearest"
EVERY_FILTER, BUT_CRUDEST = "every filter", f"every filter but {CRUDEST}"
SURE = 0.95


class Verdicts(NamedTuple):
    """Verdicts on one group of images.

    Attributes:
        real: bool (N,), called REAL.
        confidence: (N,), in the verdict, 0.5 to 1.
        clusters: integers (N,), images with the same number resemble each other; None where each stands alone.
        depends: bool (N,), True where the resampling filters disagree; None for verdicts under a single filter.
    """

    real: NDArray[np.bool_]
    confidence: NDArray[np.floating]
    clusters: NDArray[np.integer] | None = None
    depends: NDArray[np.bool_] | None = None


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """A row a group of images, the test set's own first."""
    if len(rows) < len(context.run):
        raise StudyError("the study is of a whole set beside images of others; leave --images out")
    steps = context.detector.preprocessing
    # a detector of the sample has been trained on crops of its first five photographs
    split = "test" if is_sample(context.detector.manifest) else None
    sources = {
        IMITATIONS: _drawn(parameters["imitations"], steps, large=False),
        LARGE: _drawn(parameters["large"], steps, large=True),
        PHOTOGRAPHS: crop_photographs(steps, crops=int(parameters["crops"]), split=split),
    }
    found = list(_own(context.run))
    for number, (kind, images) in enumerate(sources.items()):
        context.say(number / len(sources), kind)
        for encoding in (AS_CIFAKE, AS_IT_IS) if images else ():
            found += _rows(context, kind, encoding, images)
    return pd.DataFrame(found).astype({"skipped": np.int32, "repeats": np.int32, "fingerprint": object})


def _own(run: Run) -> Iterator[dict[str, Any]]:
    """The control: the run's own images, by what they are."""
    frame = run.predictions
    for label in CLASSES:
        rows = frame[frame["label"].astype(str) == label]
        if len(rows):
            real, sure = rows["margin"].to_numpy() > 0, confidence_of(rows["p_real"].to_numpy())
            yield _row(OWN, label, AS_IT_IS, None, Verdicts(real, sure))


def _drawn(folder: str, preprocessing: Preprocessing, *, large: bool) -> list[SourceImages]:
    """The pictures of other generators in a folder, none where no folder is named."""
    try:
        found = read_generators(Path(folder).expanduser(), preprocessing, large=large) if folder else []
    except OutOfDistributionError as error:
        raise StudyError(str(error)) from None
    if any(one.name == "all" for one in found):
        raise StudyError(f"{folder} has a generator called all, as the row of all of them is called; rename it")
    return found


def _rows(context: Context, kind: str, encoding: str, sources: Sequence[SourceImages]) -> Iterator[dict[str, Any]]:
    """A row for each source of a kind and for all of them under each filter, and one for what the filters agree on.

    Crops of one photograph say nothing of others, so the interval of its row is 0 to 1.
    """
    clusters = np.repeat(np.arange(len(sources)), list(map(len, sources)))
    whole: dict[str, Verdicts] = {}
    for name in sources[0].pixels:
        parts = [_ask(context, one.pixels[name], encoding) for one in sources]
        filter_ = None if name == AS_DRAWN else name
        for one, said in zip(sources, parts, strict=True):
            about = {"skipped": one.skipped, "repeats": one.repeats, "fingerprint": one.fingerprint}
            alike = said._replace(clusters=np.zeros(len(one), np.intp)) if kind == PHOTOGRAPHS else said
            yield _row(kind, one.name, encoding, filter_, alike) | about
        real, sure = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:2])
        whole[name] = Verdicts(real, sure, clusters)
        yield _row(kind, "all", encoding, filter_, whole[name])
    fine = [said for name, said in whole.items() if name != CRUDEST]
    for name, tried in {EVERY_FILTER: list(whole.values()), BUT_CRUDEST: fine}.items():
        if len(tried) > 1:
            yield _row(kind, "all", encoding, name, _across(tried))


def _across(said: Sequence[Verdicts]) -> Verdicts:
    """Combine verdicts on the same images under several filters: REAL where all are, `depends` where they differ."""
    calls = np.stack([one.real for one in said])
    everywhere = np.asarray(calls.all(axis=0))
    depends = np.asarray(calls.any(axis=0) & ~everywhere)
    return Verdicts(everywhere, np.mean([one.confidence for one in said], axis=0), said[0].clusters, depends)


def _ask(context: Context, pixels: NDArray[np.uint8], encoding: str) -> Verdicts:
    margins = context.detector.margins(as_cifake(pixels) if encoding == AS_CIFAKE else pixels)
    return Verdicts(margins > 0, confidence_of(context.detector.p_real(margins)))


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
        "kind": "test set (the run's own), generator (pictures drawn at the detector's size), large generator "
        "(pictures drawn large and resized), photographs (ordinary ones, cropped and resized)",
        "source": "the class in the test set, the generator, the photograph, or all",
        "encoding": "the pixels as it is or after a JPEG like CIFAKE's (quality 75, 4:2:0)",
        "filter": "that images were resized with; every filter, with or without nearest: what all of them agree on",
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
        "depends": "share whose verdict depends on the filter",
        "depends_low": "lower end of its 95 % interval over clusters",
        "depends_high": "its upper end",
        "skipped": "files left out as damaged or of another size",
        "repeats": "files left out because an earlier one has the same pixels",
        "fingerprint": "sha256 over the pixels that were measured",
    },
    control="The run's own images in the same table.",
    compute=compute,
    # two folders with an archive or a folder of pictures for each generator, "" where there is none: pictures drawn at
    # the detector's size, and what they imitate; pictures drawn larger
    parameters={"imitations": "", "imitates": "CIFAR-10", "large": "", "crops": 100},
    private=("imitations", "large"),
    whole=True,
)
