"""How well does the detector do on images from other sources, and how confident is it there?

Imitations of the detector's REAL class and pictures drawn large answer two questions, so no rate is over both.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from core.arrays import Floats, Integers, Mask, Record
from core.findings.contrast import Contrast, Control, Finding, Measure
from core.findings.intervals import clustered_share, weighted_share
from core.findings.paired import compare_apart
from core.images.encoding import compressed
from core.images.labels import UNLABELLED, ClassName, other_class
from core.images.out_of_distribution import (
    AS_DRAWN,
    QUALITY,
    SourceImages,
    crop_photographs,
    generator_name,
    read_generators,
)
from core.images.preprocessing import Preprocessing
from core.runs.metrics import confidence_of
from core.runs.pictures import is_sample
from core.runs.run import Run
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


class Group(NamedTuple):
    """Images of other sources.

    Attributes:
        key: of their finding.
        images: what they are.
        made: how they became as small as the detector's input.
        question: whether the detector is wrong about them.
        label: their class.
    """

    key: str
    images: str
    made: str
    question: str
    label: ClassName


# kind of rows -> its group
GROUPS = {
    LARGE: Group(
        "large",
        "pictures drawn large by other generators",
        "made small with the detector's own filter",
        "Do large pictures by other generators pass as REAL?",
        "FAKE",
    ),
    IMITATIONS: Group(
        "imitations",
        "imitations of {imitates}",
        "drawn at the detector's size",
        "Do small fakes by other generators pass as REAL?",
        "FAKE",
    ),
    PHOTOGRAPHS: Group(
        "photographs",
        "squares of photographs",
        "squares of them, made small with the detector's own filter",
        "Are ordinary photographs called FAKE?",
        "REAL",
    ),
}
Row: TypeAlias = "pd.Series[Any]"
COLUMNS = {
    "kind": "kind of row: test set (the run's own), generator (pictures drawn at the detector's size), large generator "
    "(pictures drawn large and resized), photographs (ordinary ones, cropped and resized)",
    "source": "the class in the test set, the generator, the photograph, or all",
    "encoding": "the pixels as it is or after a JPEG like CIFAKE's (quality 75, 4:2:0)",
    "filter": "that images were resized with; every filter, with or without nearest: what all of them agree on",
    "images_count": "number of images of the group",
    "clusters_count": "number of independent samples among them: generators, photographs, or the images themselves",
    "called_real_count": "number of images called REAL",
    "called_real_share": "share called REAL, 0 to 1",
    "low": "lower end of its 95 % interval, over clusters where they are fewer than the images",
    "high": "upper end of that interval",
    "confidence": "mean confidence in the verdict, 0.5 to 1",
    "sure_share": "share of verdicts that are at least 95 % sure",
    "depends_share": "share whose verdict depends on the filter",
    "depends_low": "lower end of its 95 % interval over clusters",
    "depends_high": "upper end of that interval",
    "skipped_count": "number of files left out as damaged or of another size",
    "fingerprint": "sha256 over the pixels that were measured",
}


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
    labels = context.run.predictions["label"].astype(object).fillna(UNLABELLED)
    for label, part in context.run.predictions.groupby(labels):
        about = {"kind": OWN, "source": str(label), "encoding": AS_IT_IS}
        records.append(_row(about, part["margin"].to_numpy() > 0, confidence_of(part["p_real"].to_numpy())))
    for number, (kind, images) in enumerate(sources.items()):
        context.report(number / len(sources), kind)
        if images:
            records += _rows(context, kind, AS_CIFAKE, images)
            records += _rows(context, kind, AS_IT_IS, images)
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"filter": object, "fingerprint": object})


def _drawn(folder: str, preprocessing: Preprocessing, *, large: bool) -> list[SourceImages]:
    """Read the pictures of other generators in a folder, none where no folder is named."""
    if not folder:
        return []
    sources = read_generators(Path(folder).expanduser(), preprocessing, large=large)
    if any(source.name == ALL for source in sources):
        raise StudyError(f"{folder} has a generator called all, as the row of all of them is called; rename it")
    return sources


def _rows(context: Context, kind: str, encoding: str, sources: Sequence[SourceImages]) -> Iterator[dict[str, Any]]:
    """Yield a row for each source of a kind and for all of them under each filter, and one for filters taken together.

    Crops of one photograph say nothing of others, so the interval of its row is 0 to 1. Over several filters an image
    is called REAL where it is under all of them, and depends on the filter where they differ.
    """
    clusters = np.repeat(np.arange(len(sources)), list(map(len, sources)))
    real = {}
    confidence = {}
    for name in sources[0].pixels:
        parts = [source.pixels[name] for source in sources]
        if encoding == AS_CIFAKE:
            parts = [compressed(part, QUALITY) for part in parts]
        margins = np.concatenate([context.detector.margins(part) for part in parts])
        real[name] = margins > 0
        confidence[name] = confidence_of(context.detector.p_real(margins))
        about: dict[str, Any] = {"kind": kind, "encoding": encoding}
        if name != AS_DRAWN:
            about["filter"] = name
        for number, source in enumerate(sources):
            own = clusters == number
            of = {"source": source.name, "skipped_count": source.skipped, "fingerprint": source.fingerprint}
            alike = clusters[own] if kind == PHOTOGRAPHS else None
            yield _row(about | of, real[name][own], confidence[name][own], alike)
        yield _row(about | {"source": ALL}, real[name], confidence[name], clusters)
    if AS_DRAWN in real:
        return
    but_crudest = [name for name in real if name != CRUDEST]
    for title, names in ((EVERY_FILTER, list(real)), (BUT_CRUDEST, but_crudest)):
        calls = np.mean([real[name] for name in names], axis=0)
        mean = np.mean([confidence[name] for name in names], axis=0)
        depends = clustered_share((calls > 0) & (calls < 1), clusters)
        about = {"kind": kind, "source": ALL, "encoding": encoding, "filter": title}
        about |= {"depends_share": depends.value, "depends_low": depends.low, "depends_high": depends.high}
        yield _row(about, calls == 1, mean, clusters)


def _row(about: Record, real: Mask, confidence: Floats, clusters: Integers | None = None) -> dict[str, Any]:
    """Return the numbers of one group.

    Args:
        about: its other columns.
        real: bool (N,), called REAL.
        confidence: (N,), in the predicted class, 0.5 to 1.
        clusters: integers (N,), images with the same number resemble each other; None where each stands alone.
    """
    count = len(real)
    independent = count
    share = weighted_share(real)
    if clusters is not None:
        independent = len(np.unique(clusters))
        share = clustered_share(real, clusters)
    return {
        "skipped_count": 0,
        **about,
        "images_count": count,
        "clusters_count": independent,
        "called_real_count": int(real.sum()),
        "called_real_share": share.value,
        "low": share.low,
        "high": share.high,
        "confidence": float(confidence.mean()),
        "sure_share": float((confidence >= SURE).mean()),
    }


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> Iterator[Finding]:
    """Conclude for each group its error rate, whether the filter decides, and its confidence; none of absent groups.

    Keys: `large`, `imitations` and `photographs`; `filters_<group>`; `confidence_<group>`.
    """
    own = table[table["kind"] == OWN].set_index("source")
    measured = []
    for kind, group in GROUPS.items():
        rows = table[table["kind"] == kind]
        if len(rows):
            images = group.images.format(imitates=parameters.get("imitates", "CIFAR-10"))
            measured.append((rows, group._replace(images=images)))
    for rows, group in measured:
        yield _error_rate(run, own, rows, group)
    for rows, group in measured:
        yield from _filter_dependence(rows, group)
    for rows, group in measured:
        yield _confidence(run, own, rows, group)


def _across(rows: pd.DataFrame, encoding: str = AS_CIFAKE) -> pd.DataFrame:
    """Return the rows of all sources together, by default saved as CIFAKE's images are."""
    return rows[(rows["encoding"] == encoding) & (rows["source"] == ALL)]


def _usual(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows under the detector's own filter, or under none."""
    return rows[(rows["filter"] == run.preprocessing.interpolation) | rows["filter"].isna()]


def _error_rate(run: Run, own: pd.DataFrame, rows: pd.DataFrame, group: Group) -> Finding:
    """Conclude how often a group is called wrongly, beside the run's own rows of the same class."""
    wrong = other_class(group.label)
    control = None
    if group.label in own.index:
        control = Control(f"{group.label} images of {run.manifest['set']}", called(own.loc[group.label], wrong))
    usual = _usual(run, rows)
    contrasts = []
    for encoding in (AS_CIFAKE, AS_IT_IS):
        row = _across(usual, encoding).iloc[0]
        contrasts.append(compare_apart("encoding", encoding, called(row, wrong), control))
    by_filter = _across(rows[rows["filter"].notna() & rows["depends_share"].isna()])
    for _, row in by_filter.sort_values("called_real_share", ascending=group.label == "FAKE").iterrows():
        contrasts.append(compare_apart("filter", row["filter"], called(row, wrong), control))
    # crops of one photograph say nothing of others
    sources = usual[(usual["source"] != ALL) & (usual["encoding"] == AS_CIFAKE) & (usual["kind"] != PHOTOGRAPHS)]
    # a few generators say little of others, although each is measured well: alone none bears a claim over them
    beside = None if group.key == "large" else control
    for _, row in sources.sort_values("called_real_share").iterrows():
        contrasts.append(compare_apart("generator", generator_name(row["source"]), called(row, wrong), beside))
    quantity = f"called_{wrong.lower()}"
    return Finding(group.key, group.question, quantity, tuple(contrasts), group=group.label, subject=group.made)


def _filter_dependence(rows: pd.DataFrame, group: Group) -> Iterator[Finding]:
    """Conclude how often the filters differ, from the rows of several filters; every filter comes first."""
    contrasts = []
    for _, row in _across(rows).dropna(subset="depends_share").iterrows():
        measure = _measure(row, row["depends_share"], row["depends_low"], row["depends_high"])
        contrasts.append(Contrast("filters", row["filter"], measure))
    if contrasts:
        yield Finding(
            f"filters_{group.key}",
            "How often does the resampling filter alone decide the verdict?",
            "filter_dependent",
            tuple(contrasts),
            subject=group.images,
        )


def _confidence(run: Run, own: pd.DataFrame, rows: pd.DataFrame, group: Group) -> Finding:
    """Compare the confidence in a group with that in the run's own images."""
    name = str(run.manifest["set"])
    row = _across(_usual(run, rows)).iloc[0]
    measure = _measure(row, row["confidence"])
    mean = np.average(own["confidence"], weights=own["images_count"])
    control = Control(name, Measure(float(mean), n=int(own["images_count"].sum())))
    # without intervals nothing is certain
    difference = Measure(measure.value - control.measure.value)
    contrast = Contrast("control", name, measure, control, difference)
    return Finding(
        f"confidence_{group.key}",
        "Is it less confident on images of other sources?",
        "confidence",
        (contrast,),
        yes="below",
        subject=group.images,
    )


def _measure(row: Row, value: float, low: float = np.nan, high: float = np.nan) -> Measure:
    """Return a measure of a row's images, with their sources where they are fewer."""
    images = int(row["images_count"])
    sources = int(row["clusters_count"])
    return Measure(float(value), float(low), float(high), images, sources if sources < images else None)


def called(row: Row, label: str) -> Measure:
    """Measure the share of a row's images that is called `label`."""
    if label == "FAKE":
        return _measure(row, 1 - row["called_real_share"], 1 - row["high"], 1 - row["low"])
    return _measure(row, row["called_real_share"], row["low"], row["high"])


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
