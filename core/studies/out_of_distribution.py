"""How far a verdict carries: what the detector says of images that it was not made for, and how sure it sounds."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.generator_names import generator_name
from core.images.labels import CLASSES
from core.images.out_of_distribution import OutOfDistributionError, as_cifake, crop_photographs, read_generators
from core.images.upload import DEFAULT_FILTER
from core.metrics.classification import confidence_of
from core.metrics.intervals import clustered_share, wilson_interval
from core.runs.run import Run
from core.studies.neighbours.similarity import is_sample
from core.studies.registry import VERSIONS
from core.studies.shares import percent, with_ends
from core.studies.study import Context, Finding, Study, StudyError

_percent = partial(percent, digits=1)

# kinds of rows
OWN, GENERATOR, PHOTOGRAPHS = "test set", "generator", "photographs"
AS_IT_IS, AS_CIFAKE = "as it is", "JPEG like CIFAKE's"
EVERY_FILTER = "every filter"
SURE = 0.95
# percentage points of confidence that are said to be the same
SAME = 1


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


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Sentences on generators, photographs, filters and confidence, each beside the test set."""
    saved = table[table["encoding"] == AS_CIFAKE]
    kinds = saved.groupby("kind")
    found: list[Finding] = []
    own = table[table["kind"] == OWN].set_index("source")
    if GENERATOR in kinds.groups:
        found += _on_generators(kinds.get_group(GENERATOR), table, own, run.manifest["set"])
    else:
        sentence = "Pictures of other generators were not at hand, so what the detector says of them was not measured."
        found.append(Finding("no_generators", sentence))
    if PHOTOGRAPHS in kinds.groups:
        found += _on_photographs(kinds.get_group(PHOTOGRAPHS), own, run.manifest["set"])
    return found


def _on_generators(rows: pd.DataFrame, table: pd.DataFrame, own: pd.DataFrame, name: str) -> list[Finding]:
    whole = rows[rows["source"] == "all"].iloc[0]
    each = rows[rows["source"] != "all"].sort_values("share_real")
    least, most = each.iloc[0], each.iloc[-1]
    plain = table[(table["kind"] == GENERATOR) & (table["source"] == "all") & (table["encoding"] == AS_IT_IS)].iloc[0]
    sentence = (
        f"Of {whole['images']:,} pictures by {whole['clusters']} other generators {_rate(whole)} are called REAL, from "
        f"{_percent(least['share_real'])} of {generator_name(least['source'])} to {_percent(most['share_real'])} of "
        f"{generator_name(most['source'])}. "
        f"Unless they are saved as JPEG like CIFAKE's it is {_percent(plain['share_real'])}."
    )
    if "FAKE" in own.index:
        sentence += f" Of {name}'s FAKE images {_percent(own.loc['FAKE', 'share_real'])} are."
    found = [
        Finding("generators", sentence, whole["share_real"], whole["low"], whole["high"], int(whole["images"])),
        _on_confidence("confidence_generators", "the pictures by other generators", whole, own, name),
    ]
    if left := int(each["skipped"].sum()):
        found.append(
            Finding(
                "left_out",
                f"{left:,} file{'s were' if left > 1 else ' was'} left out, damaged or of another size.",
                left,
            )
        )
    return found


def _on_photographs(rows: pd.DataFrame, own: pd.DataFrame, name: str) -> list[Finding]:
    by_filter = rows.set_index("filter")
    usual, every = by_filter.loc[DEFAULT_FILTER], by_filter.loc[EVERY_FILTER]
    single = by_filter.drop(index=EVERY_FILTER).sort_values("share_real")
    least, most = single.iloc[0], single.iloc[-1]
    beside = ""
    if "REAL" in own.index:
        usually = 1 - own.loc["REAL", "share_real"]
        beside = f" Of {name}'s REAL images {_percent(usually)} are"
        beside += ": photographs fare no worse than those." if no_worse(usual, usually) else "."
    photographs = (
        f"Of {usual['images']:,} squares of {usual['clusters']} ordinary photographs, made small by the "
        f"{DEFAULT_FILTER} filter, {_percent(1 - usual['share_real'])} ({100 * (1 - usual['high']):.1f} to "
        f"{100 * (1 - usual['low']):.1f} %) are called FAKE; by other filters from {_percent(1 - most['share_real'])} "
        f"({most.name}) to {_percent(1 - least['share_real'])} ({least.name})."
        f"{beside} {usual['clusters']} photographs are {usual['clusters']} independent "
        "samples, however many squares are cut."
    )
    depends = (
        f"The filter alone decides the verdict on {_percent(every['depends'])} ({100 * every['depends_low']:.1f} to "
        f"{100 * every['depends_high']:.1f} %) of these squares: REAL under one, FAKE under another."
    )
    images = int(usual["images"])
    return [
        Finding("photographs", photographs, 1 - usual["share_real"], 1 - usual["high"], 1 - usual["low"], images),
        Finding("filters", depends, every["depends"], every["depends_low"], every["depends_high"], images),
        _on_confidence("confidence_photographs", "the squares of photographs", usual, own, name),
    ]


def no_worse(photographs: "pd.Series[Any]", own: float) -> bool:
    """Whether photographs are called FAKE no more often than the run's own REAL images, a share of 0 to 1, are."""
    return bool(1 - photographs["share_real"] <= own)


def _on_confidence(key: str, where: str, rows: pd.Series, own: pd.DataFrame, name: str) -> Finding:
    """Whether it sounds as sure as on the run's own images."""
    shares = own["images"] / own["images"].sum()
    mean, sure = float((own["confidence"] * shares).sum()), float((own["sure"] * shares).sum())
    lead = 100 * (rows["confidence"] - mean)
    how = "as sure" if abs(lead) < SAME else "surer" if lead > 0 else "less sure"
    sentence = (
        f"On {where} the detector is {how} {'as' if how == 'as sure' else 'than'} on {name}: "
        f"{_percent(rows['confidence'])} on average (standard deviation {100 * rows['confidence_sd']:.1f} points) "
        f"against {_percent(mean)}; at least {100 * SURE:.0f} % sure of {_percent(rows['sure'])} of them, against "
        f"{_percent(sure)}."
    )
    return Finding(key, sentence, rows["confidence"], images=int(rows["images"]))


def _rate(row: pd.Series) -> str:
    return with_ends(row["share_real"], row["low"], row["high"], 1)


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
    conclude=conclude,
    version=VERSIONS["transfer"],
    # a folder with one .tar.xz or folder of images for each generator; "" where there is none
    parameters={"generators": "", "crops": 100},
    private=("generators",),
    whole=True,
)
