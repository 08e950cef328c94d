"""How well does the detector do on images from other sources, and how confident is it there?

Imitations of the detector's REAL class and pictures drawn large answer two questions, so no rate is over both.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from core.findings.contrast import Contrast, Control, Finding, Measure
from core.findings.intervals import Clusters, Hits, Values, clustered_share
from core.findings.paired import compare_apart
from core.images.labels import UNLABELLED
from core.images.out_of_distribution import (
    AS_DRAWN,
    SourceImages,
    as_cifake,
    crop_photographs,
    generator_name,
    read_generators,
)
from core.images.preprocessing import Preprocessing
from core.runs.metrics import confidence_of, wilson_interval
from core.runs.run import Run
from core.runs.training_set import is_sample
from core.studies.study import Context, Parameters, Rows, Study, StudyError

# kinds of rows
OWN = "test set"
IMITATIONS = "generator"
LARGE = "large generator"
PHOTOGRAPHS = "photographs"
AS_IT_IS = "as it is"
AS_CIFAKE = "JPEG like CIFAKE's"
CRUDEST = "nearest"
# in place of a source: all of them
ALL = "all"
EVERY_FILTER = "every filter"
BUT_CRUDEST = f"every filter but {CRUDEST}"
SURE = 0.95
# kind of rows -> key of its finding, and what the images are
GROUPS = {
    LARGE: ("large", "pictures drawn large by other generators"),
    IMITATIONS: ("imitations", "imitations of {imitates}"),
    PHOTOGRAPHS: ("photographs", "squares of photographs"),
}
Row: TypeAlias = "pd.Series[Any]"
COLUMNS = {
    "kind": "kind of row: test set (the run's own), generator (pictures drawn at the detector's size), large generator "
    "(pictures drawn large and resized), photographs (ordinary ones, cropped and resized)",
    "source": "the class in the test set, the generator, the photograph, or all",
    "encoding": "the pixels as it is or after a JPEG like CIFAKE's (quality 75, 4:2:0)",
    "filter": "that images were resized with; every filter, with or without nearest: what all of them agree on",
    "images": "number of images of the group",
    "clusters": "number of independent samples among them: generators, photographs, or the images themselves",
    "called_real": "number of images called REAL",
    "share_real": "share called REAL, 0 to 1",
    "low": "lower end of its 95 % interval, over clusters where they are fewer than the images",
    "high": "upper end of that interval",
    "confidence": "mean confidence in the verdict, 0.5 to 1",
    "sure": "share of verdicts that are at least 95 % sure",
    "depends": "share whose verdict depends on the filter",
    "depends_low": "lower end of its 95 % interval over clusters",
    "depends_high": "upper end of that interval",
    "skipped": "number of files left out as damaged or of another size",
    "fingerprint": "sha256 over the pixels that were measured",
}

# key of a group -> its question, and what its images are
QUESTIONS = {
    "large": (
        "Do large pictures by other generators pass as REAL?",
        "made small with the detector's own filter",
    ),
    "imitations": ("Do small fakes by other generators pass as REAL?", "drawn at the detector's size"),
    "photographs": (
        "Are ordinary photographs called FAKE?",
        "squares of them, made small with the detector's own filter",
    ),
}
FILTERS = "How often does the resampling filter alone decide the verdict?"
LESS_SURE = "Is it less confident on images of other sources?"


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Return a row a group of images, the test set's own first."""
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
    records = []
    for label, part in context.run.predictions.groupby(
        context.run.predictions["label"].astype(object).fillna(UNLABELLED)
    ):
        about = {"kind": OWN, "source": str(label), "encoding": AS_IT_IS}
        records.append(_row(about, part["margin"].to_numpy() > 0, confidence_of(part["p_real"].to_numpy())))
    for number, (kind, images) in enumerate(sources.items()):
        context.report(number / len(sources), kind)
        for encoding in (AS_CIFAKE, AS_IT_IS) if images else ():
            records += _rows(context, kind, encoding, images)
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"filter": object, "fingerprint": object})


def _drawn(folder: str, preprocessing: Preprocessing, *, large: bool) -> list[SourceImages]:
    """Read the pictures of other generators in a folder, none where no folder is named."""
    sources = read_generators(Path(folder).expanduser(), preprocessing, large=large) if folder else []
    if any(source.name == ALL for source in sources):
        raise StudyError(f"{folder} has a generator called all, as the row of all of them is called; rename it")
    return sources


def _rows(context: Context, kind: str, encoding: str, sources: Sequence[SourceImages]) -> Iterator[dict[str, Any]]:
    """Yield a row for each source of a kind and for all of them under each filter, and one for filters taken together.

    Crops of one photograph say nothing of others, so the interval of its row is 0 to 1. Over several filters an image
    is called REAL where it is under all of them, and `depends` where they differ.
    """
    clusters = np.repeat(np.arange(len(sources)), list(map(len, sources)))
    real: dict[str, Hits] = {}
    confidence: dict[str, Values] = {}
    for name in sources[0].pixels:
        parts = [as_cifake(source.pixels[name]) if encoding == AS_CIFAKE else source.pixels[name] for source in sources]
        margins = np.concatenate([context.detector.margins(part) for part in parts])
        real[name], confidence[name] = margins > 0, confidence_of(context.detector.p_real(margins))
        about = {"kind": kind, "encoding": encoding, "filter": None if name == AS_DRAWN else name}
        for number, source in enumerate(sources):
            own = clusters == number
            alike = np.zeros(len(source), np.intp) if kind == PHOTOGRAPHS else None
            about_source = {"source": source.name, "skipped": source.skipped, "fingerprint": source.fingerprint}
            yield _row(about | about_source, real[name][own], confidence[name][own], alike)
        yield _row(about | {"source": ALL}, real[name], confidence[name], clusters)
    for name, among in ((EVERY_FILTER, list(real)), (BUT_CRUDEST, [name for name in real if name != CRUDEST])):
        if len(among) > 1:
            calls = np.stack([real[filter_] for filter_ in among]).mean(axis=0)
            mean = np.mean([confidence[filter_] for filter_ in among], axis=0)
            about = {"kind": kind, "source": ALL, "encoding": encoding, "filter": name}
            depends = clustered_share((calls > 0) & (calls < 1), clusters)
            ends = {"depends": depends.value, "depends_low": depends.low, "depends_high": depends.high}
            yield _row(about, calls == 1, mean, clusters) | ends


def _row(about: Mapping[str, Any], real: Hits, confidence: Values, clusters: Clusters | None = None) -> dict[str, Any]:
    """Return the numbers of one group.

    Args:
        about: its other columns.
        real: bool (N,), called REAL.
        confidence: (N,), in the predicted class, 0.5 to 1.
        clusters: integers (N,), images with the same number resemble each other; None where each stands alone.
    """
    count = len(real)
    called_real = int(real.sum())
    interval = wilson_interval(called_real, count) if clusters is None else clustered_share(real, clusters)
    return {
        "skipped": 0,
        **about,
        "images": count,
        "clusters": count if clusters is None else len(np.unique(clusters)),
        "called_real": called_real,
        "share_real": called_real / count,
        "low": float(interval.low),
        "high": float(interval.high),
        "confidence": float(confidence.mean()),
        "sure": float((confidence >= SURE).mean()),
    }


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> list[Finding]:
    """Conclude for each group its error rate, whether the filter decides, and its confidence; none of absent groups.

    Keys: `large`, `imitations` and `photographs`; `filters_<group>`; `confidence_<group>`.
    """
    own = table[table["kind"] == OWN].set_index("source")
    findings: list[Finding] = []
    for kind, (key, where) in GROUPS.items():
        rows = table[table["kind"] == kind]
        if len(rows):
            subject = where.format(imitates=parameters.get("imitates", "CIFAR-10"))
            findings += _of_group(run, own, rows, key, subject=subject)
    order = {"filter_dependent": 1, "confidence": 2}
    return sorted(findings, key=lambda finding: order.get(finding.quantity, 0))


def _of_group(run: Run, own: pd.DataFrame, rows: pd.DataFrame, key: str, *, subject: str) -> Iterator[Finding]:
    """Conclude from the rows of one group, with the run's own rows, by class, as control."""
    name = str(run.manifest["set"])
    group, wrong = ("REAL", "FAKE") if key == "photographs" else ("FAKE", "REAL")
    control = Control(f"{group} images of {name}", called(own.loc[group], wrong)) if group in own.index else None
    question, made = QUESTIONS[key]
    quantity = f"called_{wrong.lower()}"
    usual = rows[(rows["filter"] == run.preprocessing.interpolation) | rows["filter"].isna()]
    whole = usual[usual["source"] == ALL].set_index("encoding", drop=False)
    filters = rows[(rows["encoding"] == AS_CIFAKE) & (rows["source"] == ALL) & rows["filter"].notna()]
    across = filters["depends"].notna()
    contrasts = [compare_apart("encoding", AS_CIFAKE, called(whole.loc[AS_CIFAKE], wrong), control)]
    contrasts.append(compare_apart("encoding", AS_IT_IS, called(whole.loc[AS_IT_IS], wrong), control))
    for row in _each(filters[~across].sort_values("share_real", ascending=group == "FAKE")):
        contrasts.append(compare_apart("filter", str(row["filter"]), called(row, wrong), control))
    # crops of one photograph say nothing of others
    sources = usual[(usual["source"] != ALL) & (usual["encoding"] == AS_CIFAKE) & (usual["kind"] != PHOTOGRAPHS)]
    for row in _each(sources.sort_values("share_real")):
        # a few generators say little of others, although each is measured well: alone none bears a claim over them
        beside = None if key == "large" else control
        contrasts.append(compare_apart("generator", generator_name(row["source"]), called(row, wrong), beside))
    yield Finding(key, question, quantity, tuple(contrasts), group=group, subject=made)
    if across.any():
        # every filter comes first
        alone = tuple(
            Contrast("filters", row["filter"], _measure(row, row["depends"], row["depends_low"], row["depends_high"]))
            for row in _each(filters[across])
        )
        yield Finding(f"filters_{key}", FILTERS, "filter_dependent", alone, subject=subject)
    mean = Measure(float(np.average(own["confidence"], weights=own["images"])), n=int(own["images"].sum()))
    measure = _measure(whole.loc[AS_CIFAKE], whole.loc[AS_CIFAKE, "confidence"])
    # without intervals nothing is certain
    confidence = Contrast("control", name, measure, Control(name, mean), Measure(measure.value - mean.value))
    yield Finding(f"confidence_{key}", LESS_SURE, "confidence", (confidence,), yes="below", subject=subject)


def _each(rows: pd.DataFrame) -> Iterator[Row]:
    return (row for _, row in rows.iterrows())


def _measure(row: Row, value: float, low: float = np.nan, high: float = np.nan) -> Measure:
    """Return a measure of a row's images, with their sources where they are fewer."""
    sources = None if row["clusters"] == row["images"] else int(row["clusters"])
    return Measure(float(value), float(low), float(high), int(row["images"]), sources)


def called(row: Row, label: str) -> Measure:
    """Measure the share of a row's images that is called `label`."""
    if label == "FAKE":
        return _measure(row, 1 - row["share_real"], 1 - row["high"], 1 - row["low"])
    return _measure(row, row["share_real"], row["low"], row["high"])


STUDY = Study(
    name="out_of_distribution",
    title="Out of distribution",
    question="How often is the detector wrong on images of other sources, and how confident is it there?",
    columns=COLUMNS,
    control="The run's own images in the same table.",
    compute=compute,
    conclude=conclude,
    # two folders with an archive or a folder of pictures for each generator, "" where there is none: pictures drawn at
    # the detector's size, and what they imitate; pictures drawn larger
    parameters={"imitations": "", "imitates": "CIFAR-10", "large": "", "crops": 100},
    private=("imitations", "large"),
    whole=True,
)
