"""The audit finds every flaw that is planted in a made set, puts it first, and finds none in a clean one."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.findings.claims import ClaimStatus, claim_status, sign_of
from core.findings.separation import RULE_BINS
from core.images.decoding import decode
from core.images.encoding import encode_png
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.runs.run import Run, read_run
from core.runs.writing import prediction_frame
from core.studies import probes
from core.studies.audit import study as audit
from core.studies.audit.baselines import radial_spectrum
from core.studies.audit.findings import GREY, _grey, forced
from core.studies.audit.summary import (
    concerns,
    copy_pairs,
    histogram,
    rings,
    yardsticks,
)
from core.studies.copies import duplicates, files
from core.studies.copies.findings import COUNTED
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN, UNKNOWN
from core.studies.result import StudyResult
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import read_study
from core.studies.study import WEIGHT, Context, Study, StudyError
from tests.conftest import jpeg
from tests.core.cues import CUES

COUNTS = {"train": 300, "test": 160}
Files = dict[str, bytes]


@lru_cache(maxsize=1)
def clean_pixels() -> dict[str, NDArray[np.uint8]]:
    """Of each split and class, pictures of one kind: `train/REAL` and so on."""
    generator = np.random.default_rng(0)
    found = {}
    for split, n in COUNTS.items():
        for label in ("REAL", "FAKE"):
            layers = [
                ndimage.gaussian_filter(generator.normal(0, 1, (n, 32, 32, 3)), (0, sigma, sigma, 0)) * sigma * 40
                for sigma in (0.7, 2, 4)
            ]
            light = generator.normal(128, 25, (n, 1, 1, 3))
            found[f"{split}/{label}"] = np.clip(light + sum(layers), 0, 255).astype(np.uint8)
    return found


def made_files(
    edit: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None, *, quality: int = 90, tail: int = 0
) -> Files:
    """A set whose FAKE files alone are edited, or saved with another quality, or longer."""
    found = {}
    for folder, pixels in clean_pixels().items():
        is_fake = folder.endswith("FAKE")
        edited = pixels if edit is None or not is_fake else np.rint(edit(pixels.astype(np.float64)))
        for number, image in enumerate(np.clip(edited, 0, 255).astype(np.uint8)):
            data = jpeg(image, quality if is_fake else 90)
            found[f"{folder}/{number:04d} ({number % 10 + 1}).jpg"] = data + b"\0" * (tail if is_fake else 0)
    return found


def greyed(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    grey = pixels @ [0.299, 0.587, 0.114]
    return 0.6 * pixels + 0.4 * grey[..., None]


SHORTCUTS: dict[str, Callable[[], Files]] = {
    "greyness": lambda: made_files(greyed),
    "brightness": lambda: made_files(lambda pixels: pixels + 20),
    "compression": lambda: made_files(quality=80),
    "file_bytes": lambda: made_files(tail=60),
    "red": lambda: made_files(lambda pixels: pixels + np.array([40, 0, 0])),
    "contrast": lambda: made_files(
        lambda pixels: pixels.mean((1, 2), keepdims=True) + 1.2 * (pixels - pixels.mean((1, 2), keepdims=True))
    ),
    "fine_detail": lambda: made_files(lambda pixels: ndimage.gaussian_filter(pixels, (0, 0.5, 0.5, 0))),
}


# what may change along with it
GO_ALONG = {
    "greyness": {"file_bytes", "red", "green", "blue"},
    "brightness": {"red", "green", "blue"},
    "compression": {"file_bytes", "fine_detail"},
    "file_bytes": set(),
    "red": {"brightness", "greyness", "file_bytes"},
    "contrast": {"file_bytes", "greyness"},
    "fine_detail": {"file_bytes", "greyness", "contrast"},
}


def first(files: Files, folder: str, number: int = 0) -> str:
    """The name of a file of a folder."""
    return next(name for name in files if name.startswith(f"{folder}/{number:04d}"))


def made_context(root: Path, files: Files, *, data: bool = True, leans_on: str | None = None) -> Context:
    """A run on the test files by a detector that guesses, or that goes by one fact alone."""
    for name, content in files.items():
        path = root / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    images = load_image_set(root / "set", "test")
    train = load_image_set(root / "set", "train")
    return context_of(images, frozenset(train.rows["sha256"]), str(root / "set") if data else None, leans_on)


def context_of(images: ImageSet, trained: frozenset[str], data: str | None, leans_on: str | None) -> Context:
    margins = np.random.default_rng(1).normal(0, 1, len(images)).astype(np.float32)
    if leans_on:
        fact = images.rows[leans_on].to_numpy()
        margins = (fact - np.median(fact)) / fact.std() + 0.1 * margins
    logits = np.stack([np.zeros_like(margins), margins], axis=1)
    table = prediction_frame(images, logits, 1 / (1 + np.exp(-margins)), trained)
    manifest = {"set": images.name, "set_fingerprint": images.fingerprint, "detector_sha256": "0" * 64}
    path = Path(hashlib.sha256(images.fingerprint.encode()).hexdigest())
    run = Run(path, manifest, table, np.zeros((len(images), 4, 4), np.float16), None, None)
    return Context(run, None, np.asarray(images.pixels), data)  # type: ignore[arg-type]


def asked(study: object, context: Context) -> StudyResult:
    """A study's answer, as if read from its file."""
    rows = np.arange(len(context.run))
    table = study.compute(context, rows, study.parameters)
    assert set(table.columns) - {"id"} == set(study.columns)
    table = table if study.whole else table.assign(**{WEIGHT: np.float32(1)})
    about = {"study": study.name, "parameters": study.parameters}
    return StudyResult(Path("x.parquet"), table, about, context.run)


def flaws(answer: StudyResult) -> list[str]:
    return [one.key for one in concerns(answer) if one.is_flaw]


def counted(answer: StudyResult) -> dict[str, int]:
    """Column and kind of copy -> how many, those that are there."""
    found = {COUNTED[one.key]: one.details["count"] for one in answer.findings if one.key in COUNTED and one.details}
    return {" ".join(key): count for key, count in found.items() if count}


def test_a_clean_set_has_no_flaw(tmp_path: Path) -> None:
    context = made_context(tmp_path, made_files())
    answer = asked(audit.STUDY, context)
    assert flaws(answer) == []
    assert counted(asked(duplicates.STUDY, context)) == {}
    copies = answer.table[answer.table["kind"] == "copies"]
    assert len(copies) == 3
    assert (copies["count"] == 0).all()
    facts = answer.table[answer.table["kind"] == "fact"].set_index("name")
    assert facts.loc["compression", "values"] == 1
    assert (facts.drop("compression")["auroc"] - 0.5).abs().max() < 0.1


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_planted_shortcut_is_found_and_first(tmp_path: Path, name: str) -> None:
    context = made_context(tmp_path, SHORTCUTS[name]())
    answer = asked(audit.STUDY, context)
    found = concerns(answer)
    rest = [one for one in found if one.key not in GO_ALONG[name]]
    assert rest[0].key == name
    assert [one.key for one in rest if one.is_flaw] == [name]
    planted = rest[0]
    row = answer.table[(answer.table["kind"] == "fact") & (answer.table["name"] == name)].iloc[0]
    right, value = planted.lean.beside.get("right"), row["matched_accuracy"]
    assert (right is None) == bool(np.isnan(value))
    assert right is None or (right.value, right.low) == pytest.approx((value, row["matched_accuracy_low"]))
    # how many matched images there are is not in the file
    assert {one.n for one in (planted.lean.measure, *planted.lean.beside.values())} == {0}
    cue, lean = planted.cue, planted.lean
    assert claim_status(cue) == ClaimStatus("holds", 1)
    assert lean.measure.known == np.isfinite(row["matched_auroc"])
    assert planted.cue.measure.low > 0.7
    assert cue.control is not None
    assert abs(cue.control.measure.value - 0.5) < 0.1
    assert cue.details.get("higher") == (None if name == "compression" else "REAL" if name == "fine_detail" else "FAKE")
    # the guessing detector knows nothing of it
    assert "lean" not in lean.beside or lean.beside["lean"].low < 0.05


def test_a_detector_that_leans_on_the_shortcut_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    context = made_context(tmp_path, SHORTCUTS["brightness"](), leans_on="brightness")
    answer = asked(audit.STUDY, context)
    row = answer.table.set_index("name").loc["brightness"]
    network = answer.table.set_index("name").loc["network"]
    assert 1 - network["auroc"] > 0.65
    assert abs(row["lean"]) > 0.8
    assert row["matched_auroc_low"] < 0.5 < row["matched_auroc_high"]
    assert row["direct"] == pytest.approx(
        roc_auc_score(context.run.predictions["label"] == "REAL", context.run.predictions["brightness"])
    )
    other = answer.table.set_index("name").loc["contrast"]
    assert other["matched_auroc_high"] < 0.5


def test_copies_and_leaks_are_found_each_by_its_kind(tmp_path: Path) -> None:
    made = made_files()
    # byte for byte: one test file is a training image of the other class, one repeats another test file
    made[first(made, "test/REAL", 0)] = made[first(made, "train/FAKE", 7)]
    made[first(made, "test/REAL", 2)] = made[first(made, "test/REAL", 1)]
    # the same pixels in another file
    made[first(made, "test/FAKE", 3)] = encode_png(decode(made[first(made, "train/FAKE", 8)]))
    # brighter, and saved anew
    brighter = np.clip(decode(made[first(made, "train/REAL", 9)]).astype(int) + 6, 0, 255).astype(np.uint8)
    made[first(made, "test/REAL", 4)] = jpeg(brighter, 85)
    # and within the training set
    made[first(made, "train/FAKE", 5)] = made[first(made, "train/REAL", 6)]
    context = made_context(tmp_path, made)
    answer = asked(duplicates.STUDY, context)
    assert counted(answer) == {
        "in_training same file": 1, "in_training same pixels": 1, "in_training near copy": 1, "in_set same file": 2,
    }  # fmt: skip
    table = answer.table.assign(name=context.run.predictions["name"].to_numpy()).set_index("name")
    leak = table.loc[first(made, "test/REAL", 0).removeprefix("test/")]
    assert (leak["in_training"], leak["training_class"]) == (FILE, "other")
    assert leak["training_name"] == first(made, "train/FAKE", 7).removeprefix("train/")
    digest = hashlib.sha256(made[first(made, "train/FAKE", 7)]).hexdigest()
    assert leak["training_id"] == f"train-{digest[:16]}"
    same = table.loc[first(made, "test/FAKE", 3).removeprefix("test/")]
    assert (same["in_training"], same["training_class"], same["training_bits"]) == (SHOWN, "same", 0)
    near = table.loc[first(made, "test/REAL", 4).removeprefix("test/")]
    assert (near["in_training"], near["training_name"]) == (NEAR, first(made, "train/REAL", 9).removeprefix("train/"))
    assert near["training_bits"] <= 8
    pair = table.loc[[first(made, "test/REAL", number).removeprefix("test/") for number in (1, 2)]]
    assert pair["set_name"].tolist() == pair.index[::-1].tolist()
    leaks, repeats = answer.finding("leak.file"), answer.finding("copy.file")
    assert leaks is not None
    assert repeats is not None
    assert leaks.details == {
        "count": 1, "real": 1, "fake": 0, "other_class": 1, "images": 320, "sampled": False, "classes": True,
    }  # fmt: skip
    assert leaks.measure.value == pytest.approx(1 / 320)
    assert repeats.details["repeats"] == 1
    whole = asked(audit.STUDY, context)
    row = whole.table.set_index("name").loc["leak"]
    assert (row["count"], row["other_class"]) == (3, 1)
    # of 160 x 160 pairs: a REAL that looks FAKE loses half of all of its pairs, the others win half of theirs
    assert row["auroc"] == pytest.approx(0.5 + 1 / 320, abs=2e-4)
    inside = whole.table.set_index("name").loc["training.file"]
    assert (inside["count"], inside["other_class"]) == (1, 2)


def test_pairs_to_look_at_come_once_and_those_of_the_other_class_first(tmp_path: Path) -> None:
    made = made_files()
    for number, folder in ((0, "test/REAL"), (1, "test/FAKE")):
        near = np.clip(decode(made[first(made, "train/REAL", 20 + number)]).astype(int) + 5, 0, 255)
        made[first(made, folder, number)] = jpeg(near.astype(np.uint8), 88)
    again = np.clip(decode(made[first(made, "test/REAL", 30)]).astype(int) + 5, 0, 255).astype(np.uint8)
    made[first(made, "test/REAL", 31)] = jpeg(again, 88)
    context = made_context(tmp_path, made)
    answer = asked(duplicates.STUDY, context)
    outside = copy_pairs(answer, "in_training")
    assert outside["class"].tolist() == ["other", "same"]
    assert outside["partner"].str.startswith("train-").all()
    inside = copy_pairs(answer, "in_set")
    assert len(inside) == 1
    assert {inside["id"][0], inside["partner"][0]} < set(context.run.predictions["id"])


def test_where_files_are_not_at_hand_nothing_is_made_up(tmp_path: Path) -> None:
    made = made_files()
    made[first(made, "test/REAL", 0)] = made[first(made, "train/REAL", 7)]
    context = made_context(tmp_path, made, data=False)
    answer = asked(audit.STUDY, context)
    kinds = set(answer.table["kind"])
    assert kinds == {"fact", "ring", "baseline", "network"}
    assert "compression" not in answer.table["name"].tolist()
    assert (answer.table.loc[answer.table["kind"] != "network", "fitted"].fillna(0) == 0).all()
    assert flaws(answer) == []
    copies = asked(duplicates.STUDY, context)
    assert (copies.table["in_training"] == UNKNOWN).sum() == 319
    # the run itself remembers which files were trained on, though not of which class they were
    assert counted(copies) == {"in_training same file": 1}
    unchecked = copies.finding("unchecked")
    assert unchecked is not None
    assert unchecked.measure.n == 319
    # what was leaked in another file nobody could see
    for key in ("leak.pixels", "leak.near"):
        finding = copies.finding(key)
        assert finding is not None
        assert np.isnan(finding.measure.value)
    assert [one.key for one in asked(files.STUDY, context).findings] == ["unknown"]


def test_where_nobody_looked_no_image_is_said_to_be_new(tmp_path: Path) -> None:
    context = made_context(tmp_path, made_files(), data=False)
    context.run.manifest["leaks_checked"] = False  # type: ignore[index]
    copies = asked(duplicates.STUDY, context)
    for key in ("leak.file", "leak.pixels", "leak.near"):
        finding = copies.finding(key)
        assert finding is not None
        assert np.isnan(finding.measure.value)


def test_how_files_were_compressed_is_told_image_by_image(tmp_path: Path) -> None:
    context = made_context(tmp_path, SHORTCUTS["compression"]())
    answer = asked(files.STUDY, context)
    real = (context.run.predictions["label"] == "REAL").to_numpy()
    assert (answer.table["compression"] == np.where(real, "JPEG quality 90, 4:2:0", "JPEG quality 80, 4:2:0")).all()
    common = [(one.details["name"], one.measure.value) for one in answer.findings]
    assert sorted(common) == [("JPEG quality 80, 4:2:0", 0.5), ("JPEG quality 90, 4:2:0", 0.5)]


def test_the_regression_is_scikit_learns_trained_on_train_and_tested_on_test(tmp_path: Path) -> None:
    context = made_context(tmp_path, SHORTCUTS["fine_detail"]())
    answer = asked(audit.STUDY, context)
    row = answer.table[(answer.table["kind"] == "baseline") & (answer.table["name"] == "spectrum")].iloc[0]
    train = load_image_set(str(context.data), "train")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(radial_spectrum(train.pixels), train.labels == 1)
    scores = model.decision_function(radial_spectrum(context.pixels))
    real = (context.run.predictions["label"] == "REAL").to_numpy()
    assert row["auroc"] == pytest.approx(roc_auc_score(real, scores))
    assert row["accuracy"] == pytest.approx(accuracy_score(real, scores > 0))
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert row["fitted"] == 600
    assert row["auroc"] > 0.9
    assert abs(row["shuffled"] - 0.5) < 0.1
    shown = yardsticks(answer)
    assert shown["value"].is_monotonic_increasing
    assert set(shown["name"]) == {"16 numbers of the spectrum", "8 plain facts", "The network", "File size alone"}
    # blurring takes most from the outer rings
    table = rings(answer)
    assert table["ring"].tolist() == list(range(1, 17))
    assert table["direct"].iloc[12:].min() > 0.75
    assert abs(table["direct"].iloc[1] - 0.5) < 0.12


def test_the_radial_spectrum_is_a_mean_over_rings() -> None:
    pixels = clean_pixels()["test/REAL"][:3]
    luma = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    y, x = np.meshgrid(np.fft.fftfreq(32) * 32, np.fft.fftfreq(32) * 32)
    ring = np.minimum(np.rint(np.sqrt(x**2 + y**2)), 16)
    for image, found in zip(luma, radial_spectrum(pixels), strict=True):
        power = np.abs(np.fft.fft2(image)) ** 2
        wanted = [np.log10(power[ring == r].mean() + 1) for r in range(1, 17)]
        np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_a_sample_of_the_images_is_refused(tmp_path: Path) -> None:
    context = made_context(tmp_path, made_files())
    with pytest.raises(StudyError, match="leave --images out"):
        audit.compute(context, np.arange(10), {"seed": 0})


def test_histograms_count_every_image_once_and_missing_ones_never() -> None:
    generator = np.random.default_rng(0)
    values = pd.Series(generator.normal(0, 1, 1000))
    values[0], values[1] = 1e9, np.nan
    is_real = np.arange(1000) % 4 == 0
    found = histogram(values, is_real)
    assert found["real"].sum() == pytest.approx(1)
    assert found["fake"].sum() == pytest.approx(1)
    assert found["high"].max() < 5
    flat = histogram(pd.Series([3.0, 3.0]), np.array([True, False]))
    assert flat[["real", "fake"]].sum().tolist() == [1, 1]


def test_findings_have_numbers_within_their_intervals(tmp_path: Path) -> None:
    context = made_context(tmp_path, SHORTCUTS["greyness"]())
    for study in (audit.STUDY, duplicates.STUDY, files.STUDY):
        for one in asked(study, context).findings:
            for measure in (one.measure, *one.beside.values()):
                if measure.has_interval:
                    assert measure.low <= measure.value <= measure.high


def test_greyness_is_told_by_rank_and_by_rule_and_why_they_differ(tmp_path: Path) -> None:
    answer = asked(audit.STUDY, made_context(tmp_path, SHORTCUTS["greyness"]()))
    assert answer.run is not None
    values = answer.run.predictions["greyness"].to_numpy()
    real = (answer.run.predictions["label"] == "REAL").to_numpy()
    cue, grey = answer.finding("fact.greyness"), answer.finding("grey")
    assert cue is not None
    rank = cue.choice("rule", "rank").measure  # type: ignore[union-attr]
    area = roc_auc_score(real, values)
    assert rank.value == pytest.approx(max(area, 1 - area))
    fitted = cue.choice("rule", f"{RULE_BINS} fitted bins")
    assert fitted is not None
    assert fitted.measure == cue.measure
    counts = [int((values[chosen] >= GREY).sum()) for chosen in (real, ~real)]
    assert (grey is not None) == all(counts)


def test_wholly_grey_images_are_counted_by_class() -> None:
    greyness = np.concatenate([np.full(8, 0.995), np.full(32, 0.3), np.full(1, 1.0), np.full(39, 0.9)])
    frame = pd.DataFrame({"label": ["FAKE"] * 40 + ["REAL"] * 40, "greyness": greyness})
    run = Run(Path("made"), {}, frame, None, None, None)
    ends = {"direct": 0.7, "direct_low": 0.6, "direct_high": 0.8, "median_real": 0.9, "median_fake": 0.3}
    row = pd.Series({"name": "greyness", **ends})
    (one,) = _grey(run, row)
    assert one.control is not None
    assert (one.group, one.measure.value, one.control.measure.value) == ("FAKE", 0.2, 0.025)
    # Katz et al.'s interval of a ratio of shares, by hand
    half = 1.959964 * np.sqrt(1 / 8 - 1 / 40 + 1 - 1 / 40)
    times = one.beside["times"]
    assert (times.value, times.low, times.high) == pytest.approx((8, 8 * np.exp(-half), 8 * np.exp(half)))
    assert _grey(replace(run, predictions=frame.assign(greyness=0.5)), row) == []


def test_what_changing_a_fact_does_is_taken_from_the_probes(tmp_path: Path) -> None:
    cue = CUES["mean_colour"]()
    run = cue.run(tmp_path)
    context = Context(run, cue.detector, cue.pixels)  # type: ignore[arg-type]
    table = probes.compute(context, np.arange(len(run)), {"seed": 0}).assign(**{WEIGHT: np.float32(1)})
    answer = StudyResult(Path("x.parquet"), table, {"parameters": {"seed": 0}})
    made = forced(run, answer, "red")
    assert forced(run, answer, "category") == []
    assert [one.group for one in made] == ["FAKE", "REAL"]
    for one in made:
        chosen = (run.predictions["predicted"] == one.group).to_numpy()
        share = ((table["tint_full"] > 0).to_numpy() != (one.group == "REAL"))[chosen].mean()
        assert (one.measure.value, one.details["strength"]) == (pytest.approx(share), "all the way")
        assert sign_of(one) == 1


@pytest.mark.parametrize("study", [audit.STUDY, duplicates.STUDY, files.STUDY], ids=lambda study: study.name)
def test_the_runner_makes_a_file_that_reads_back(source: Source, study: Study) -> None:
    answer = read_study(run_study(study, source), read_run(source.run))
    assert list(answer.table.columns) == ([] if study.whole else ["id"]) + [*study.columns] + (
        [] if study.whole else [WEIGHT]
    )
    assert answer.findings
    if study is audit.STUDY:
        # fine grain is what the two classes of these images differ in
        assert concerns(answer)[0].key in ("fine_detail", "contrast")
        assert concerns(answer)[0].cue.measure.low > 0.7
