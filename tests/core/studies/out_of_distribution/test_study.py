"""How far a verdict carries, on made archives and photographs: rates, intervals over clusters, and sentences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.detectors.resnet import ResNetDetector
from core.detectors.storage import load_detector
from core.findings.claims import ClaimStatus, claim_status
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.words import tell
from core.findings.words.transfer import overall
from core.images.decoding import RESAMPLING
from core.images.labels import REAL
from core.images.out_of_distribution import AS_DRAWN, SourceImages, as_cifake, read_generators
from core.images.preprocessing import Preprocessing
from core.metrics.intervals import clustered_share
from core.runs.metrics import confidence_of, wilson_interval
from core.runs.run import read_run
from core.studies import out_of_distribution as transfer
from core.studies.out_of_distribution import (
    AS_CIFAKE,
    AS_IT_IS,
    BUT_CRUDEST,
    EVERY_FILTER,
    IMITATIONS,
    LARGE,
    OWN,
    PHOTOGRAPHS,
    STUDY,
)
from core.studies.result import StudyResult
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import StudyError
from tests.conftest import textured
from tests.core.images.test_out_of_distribution import png, write_archive

SIZES = {"gan": 9, "ddpm": 6, "vae": 5}


@pytest.fixture
def generators(tmp_path: Path) -> Path:
    """Three made archives; one has a damaged file."""
    folder = tmp_path / "generators"
    folder.mkdir()
    for seed, (name, count) in enumerate(SIZES.items()):
        images = textured(count, fine=bool(seed % 2), seed=20 + seed)
        files = {f"{n}.png": png(image) for n, image in enumerate(images)}
        write_archive(folder / f"{name}.tar.xz", files | ({"x.png": b"broken"} if name == "vae" else {}))
    return folder


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Two made generators of 3 and 5 pictures larger than a detector takes."""
    folder = tmp_path / "large"
    for seed, (name, count) in enumerate({"stable_diffusion_v1": 3, "dit": 5}.items()):
        (folder / name).mkdir(parents=True)
        images = textured(count, fine=True, seed=60 + seed).repeat(3, axis=1).repeat(3, axis=2)
        for number, image in enumerate(images):
            (folder / name / f"{number}.png").write_bytes(png(image))
    return folder


@pytest.fixture
def photographs(monkeypatch: pytest.MonkeyPatch) -> list[SourceImages]:
    """Three made photographs of 4, 6 and 2 squares, another under each filter."""
    made = [
        SourceImages(
            f"photo{seed}",
            {
                name: textured(count, fine=bool((seed + number) % 2), seed=40 + seed)
                for number, name in enumerate(RESAMPLING)
            },
        )
        for seed, count in enumerate((4, 6, 2))
    ]
    monkeypatch.setattr(transfer, "crop_photographs", lambda *_, **__: made)
    return made


def asked(source: Source, **parameters: object) -> StudyResult:
    """The study's answer."""
    return read_study(run_study(STUDY.with_parameters(parameters), source), read_run(source.run))


def test_each_generator_is_counted_both_ways_saved(
    source: Source, generators: Path, photographs: list[SourceImages]
) -> None:
    table = asked(source, imitations=str(generators)).table
    detector = load_detector(source.detector)
    everything: dict[str, list[np.ndarray]] = {AS_IT_IS: [], AS_CIFAKE: []}
    for one in read_generators(generators, Preprocessing(32)):
        for encoding, pixels in ((AS_IT_IS, one.pixels[AS_DRAWN]), (AS_CIFAKE, as_cifake(one.pixels[AS_DRAWN]))):
            margins = detector.margins(pixels)
            real = margins > 0
            everything[encoding].append(real)
            row = table[(table["kind"] == IMITATIONS) & (table["source"] == one.name) & (table["encoding"] == encoding)]
            assert len(row) == 1
            said = row.iloc[0]
            assert (said["images"], said["called_real"], said["called_fake"]) == (
                SIZES[one.name],
                real.sum(),
                (~real).sum(),
            )
            low, high = wilson_interval(int(real.sum()), len(real))
            assert (said["low"], said["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))
            confidence = confidence_of(detector.p_real(margins))
            assert said["confidence"] == pytest.approx(confidence.mean(), abs=1e-5)
            assert said["sure"] == pytest.approx((confidence >= 0.95).mean())
            assert (said["skipped"], said["fingerprint"]) == (int(one.name == "vae"), one.fingerprint)
    for encoding, parts in everything.items():
        row = table[(table["kind"] == IMITATIONS) & (table["source"] == "all") & (table["encoding"] == encoding)].iloc[
            0
        ]
        clusters = np.repeat(range(3), [len(part) for part in parts])
        expected = clustered_share(np.concatenate(parts), clusters)
        # generators are the independent samples, not their pictures
        assert (row["images"], row["clusters"]) == (20, 3)
        np.testing.assert_allclose(row[["share_real", "low", "high"]].astype(float), expected[:3])


def test_the_test_set_itself_is_the_control(source: Source, photographs: list[SourceImages]) -> None:
    table = asked(source).table
    run = read_run(source.run).predictions
    for label in ("FAKE", "REAL"):
        row = table[(table["kind"] == OWN) & (table["source"] == label)].iloc[0]
        here = run[run["label"] == label]
        assert row["images"] == len(here)
        assert row["share_real"] == pytest.approx((here["predicted"] == "REAL").mean())


def test_what_hangs_on_the_filter_is_counted_over_the_same_squares(
    source: Source, photographs: list[SourceImages]
) -> None:
    answer = asked(source)
    table = answer.table[answer.table["kind"] == PHOTOGRAPHS]
    each, table = table[table["source"] != "all"], table[table["source"] == "all"]
    detector = load_detector(source.detector)
    calls = {}
    for name in RESAMPLING:
        pixels = as_cifake(np.concatenate([one.pixels[name] for one in photographs]))
        calls[name] = detector.margins(pixels) > 0
        row = table[(table["filter"] == name) & (table["encoding"] == AS_CIFAKE)].iloc[0]
        assert (row["called_real"], row["clusters"]) == (calls[name].sum(), 3)
        low, high = clustered_share(calls[name], np.repeat(range(3), (4, 6, 2)))[1:3]
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
        alone = each[(each["filter"] == name) & (each["encoding"] == AS_CIFAKE)].set_index("source")
        assert [*alone["images"]] == [4, 6, 2]
        assert [*alone["called_real"]] == [part.sum() for part in np.split(calls[name], [4, 10])]
        assert [*alone["fingerprint"]] == [one.fingerprint for one in photographs]
        # crops of one photograph say nothing of others
        assert (alone[["clusters", "low", "high"]] == [1, 0, 1]).all(axis=None)
    assert each["depends"].isna().all()
    every = table[(table["filter"] == EVERY_FILTER) & (table["encoding"] == AS_CIFAKE)].iloc[0]
    stacked = np.stack(list(calls.values()))
    depends = stacked.any(axis=0) & ~stacked.all(axis=0)
    assert every["depends"] == pytest.approx(depends.mean())
    assert every["called_real"] == stacked.all(axis=0).sum()
    assert every["called_real"] + every["called_fake"] + depends.sum() == every["images"] == 12
    finding = answer.finding("filters_photographs")
    assert finding is not None
    assert finding.measure.value == pytest.approx(depends.mean())
    assert (finding.measure.n, finding.measure.clusters) == (12, 3)


def test_the_findings_are_rates_with_intervals_controls_and_every_choice(
    source: Source, generators: Path, photographs: list[SourceImages]
) -> None:
    answer = asked(source, imitations=str(generators))
    table = answer.table
    said = {finding.key: finding for finding in answer.findings}
    assert list(said) == [
        "imitations", "photographs", "filters_photographs", "confidence_imitations", "confidence_photographs", "large",
    ]  # fmt: skip
    assert not said["large"].measure.known
    whole = table[(table["source"] == "all") & (table["kind"] == IMITATIONS) & (table["encoding"] == AS_CIFAKE)].iloc[0]
    one = said["imitations"]
    assert (one.measure.value, one.measure.low, one.measure.high) == tuple(whole[["share_real", "low", "high"]])
    assert (one.measure.n, one.measure.clusters, one.details["left_out"]) == (20, 3, 1)
    own = table[(table["kind"] == OWN) & (table["source"] == "FAKE")].iloc[0]
    assert one.control is not None
    assert one.control.measure.value == own["share_real"]
    assert {choice.value for choice in one.choices if choice.kind == "encoding"} == {AS_CIFAKE, AS_IT_IS}
    assert len([choice for choice in one.choices if choice.kind == "generator"]) == 3
    photographs_ = table[(table["kind"] == PHOTOGRAPHS) & (table["encoding"] == AS_CIFAKE)]
    photographs_ = photographs_[photographs_["source"] == "all"].set_index("filter")
    accused = said["photographs"]
    assert accused.measure.value == pytest.approx(1 - photographs_.loc["bicubic", "share_real"])
    assert {choice.kind for choice in accused.choices} == {"filter", "encoding"}
    assert accused.measure.low == pytest.approx(1 - photographs_.loc["bicubic", "high"])
    for name in RESAMPLING:
        tried = accused.choice("filter", name)
        assert tried is not None
        assert tried.measure.value == pytest.approx(1 - photographs_.loc[name, "share_real"])
    words = [str(tell(one).full) for one in answer.findings]
    assert words[0].startswith("Of 20 pictures by 3 generators that imitate CIFAR-10 ")
    assert "1 file was left out" in words[0]
    assert not any("nan" in one for one in words)


def test_pictures_drawn_large_are_their_own_group_under_every_filter(
    source: Source, generators: Path, large: Path, photographs: list[SourceImages]
) -> None:
    answer = asked(source, imitations=str(generators), large=str(large))
    detector, sources = load_detector(source.detector), read_generators(large, Preprocessing(32), large=True)
    clusters = np.repeat(range(2), [len(one) for one in sources])
    found = answer.finding("large")
    assert found is not None
    assert found.control is not None
    calls = {}
    for name in RESAMPLING:
        margins = [detector.margins(as_cifake(one.pixels[name])) for one in sources]
        calls[name] = np.concatenate(margins) > 0
        tried = found.choice("filter", name)
        assert tried is not None
        # two generators are the independent samples, not their eight pictures
        expected = clustered_share(calls[name], clusters)
        assert (tried.measure.value, tried.measure.low, tried.measure.high) == pytest.approx(expected[:3])
        assert (tried.measure.n, tried.measure.clusters) == (8, 2)
    assert found.measure.value == pytest.approx(calls["bicubic"].mean())
    each = {one.value: one for one in found.choices if one.kind == "generator"}
    assert each["Stable Diffusion 1"].measure.value == pytest.approx(calls["bicubic"][clusters == 1].mean())
    # each is known better than what all generators do, so alone none bears a claim
    assert all(one.control is None for one in each.values())
    stacked = np.stack(list(calls.values()))
    without = np.stack([calls[name] for name in RESAMPLING if name != "nearest"])
    decides = answer.finding("filters_large")
    assert decides is not None
    for name, some in {EVERY_FILTER: stacked, BUT_CRUDEST: without}.items():
        tried = decides.choice("filters", name)
        assert tried is not None
        assert tried.measure.value == pytest.approx((some.any(axis=0) & ~some.all(axis=0)).mean())
    assert "without nearest, the crudest filter, on" in str(tell(decides).answer)
    # no rate is over both groups
    assert not any(one.measure.n == 28 for one in answer.findings)
    assert {"imitations", "large"} <= {one.key for one in answer.findings}
    assert set(answer.table["kind"]) == {OWN, IMITATIONS, LARGE, PHOTOGRAPHS}
    assert answer.about["parameters"] == {"crops": 100, "imitates": "CIFAR-10"}


def rate(key: str, shares: dict[str, float], *, half: float = 0.05, clusters: int = 8) -> Finding:
    """A rate under each filter, beside a control of 3%."""
    control = Control("FAKE images of cifake-test", Measure(0.03, 0.025, 0.035, 10_000))
    measures = {name: Measure(share, share - half, share + half, 40, clusters) for name, share in shares.items()}
    choices = tuple(Choice("filter", name, measure, control) for name, measure in measures.items())
    details = {"set": "cifake-test", "imitates": "CIFAR-10", "own_real": True, "plain": AS_IT_IS, "left_out": 0,
               "filter": "bicubic", "sources": clusters}  # fmt: skip
    group = "REAL" if key == "photographs" else "FAKE"
    quantity = "called_fake" if key == "photographs" else "called_real"
    return Finding(key, "transfer", quantity, measures["bicubic"], group, control, choices=choices, details=details)


def test_what_depends_on_the_filter_is_told_by_its_range() -> None:
    agree = rate("photographs", {"bicubic": 0.2, "nearest": 0.6})
    assert claim_status(agree) == ClaimStatus("holds", 1)
    assert tell(agree).number == "20 to 60%"
    apart = rate("large", {"bicubic": 0.4, "nearest": 0.04})
    assert claim_status(apart).on == {"filter": {"bicubic": 1, "nearest": 0}}
    assert tell(apart).number == "4 to 40%"
    assert str(tell(apart).standing).startswith("The difference depends on the filter: above its control for bicubic, ")
    assert str(overall([agree, apart])) == (
        "Of 40 full-size pictures by 8 generators, 4 to 40% are called REAL, depending on how they were resized; of "
        "40 squares cut from 8 ordinary photographs, 20 to 60% are called FAKE, depending on how they were resized. Do "
        "not rely on verdicts on images unlike the training images."
    )
    few = replace(apart, details={**apart.details, "sources": 2})
    assert "depending on how they were resized (too few generators for a rate)." in str(overall([few]))
    assert not overall([])


def test_the_detector_s_own_filter_is_none_of_the_other_filters() -> None:
    for key in ("large", "photographs"):
        told = tell(rate(key, {"bicubic": 0.9, "box": 0.7, "nearest": 0.6}))
        assert str(told.answer).endswith("; with other filters from 60.0% (nearest) to 70.0% (box).")
        assert told.number == "60 to 90%"


def test_means_of_confidence_stand_beside_one_another_and_are_not_compared() -> None:
    """Neither has an interval."""
    one = Finding(
        "confidence_large", "transfer", "confidence", Measure(0.97, n=40),
        control=Control("the images of cifake-test", Measure(0.93, n=100)),
        beside={"sure": Measure(0.9, n=40), "own_sure": Measure(0.8)},
        details={"where": "full-size pictures", "deviation": 0.02, "level": 0.95},
    )  # fmt: skip
    assert str(tell(one).whole) == (
        "On full-size pictures the detector is 97.0% sure on average (standard deviation 2.0 points). On the images of "
        "cifake-test it is 93.0% sure on average. It is at least 95% sure of 90.0% of them, against 80.0%."
    )


def test_one_generator_and_one_photograph_are_told_in_the_singular() -> None:
    large, drawn, squares = (
        rate(key, {"bicubic": 0.9, "nearest": 0.6}, clusters=1) for key in ("large", "imitations", "photographs")
    )
    assert str(tell(large).answer).startswith("Of 40 full-size pictures by 1 generator, resized with ")
    assert str(tell(large).aside) == "1 generator is 1 independent sample, however many pictures it drew."
    assert str(tell(drawn).answer) == (
        "Of 40 pictures by 1 generator that imitates CIFAR-10, the REAL class of cifake-test, 90.0% (85.0 to 95.0%) "
        "are called REAL."
    )
    assert str(tell(squares).answer).startswith("Of 40 squares of 1 ordinary photograph, resized with ")
    assert str(tell(squares).aside) == "1 photograph is 1 independent sample, however many squares are cropped."
    told = str(overall([large, drawn, squares]))
    assert "pictures by 1 generator, " in told
    assert "by 1 other generator, " in told
    assert "of 40 squares cut from 1 ordinary photograph, " in told


def test_where_generators_lie_is_not_kept(source: Source, generators: Path, photographs: list[SourceImages]) -> None:
    answer = asked(source, imitations=str(generators))
    assert answer.about["parameters"] == {"crops": 100, "imitates": "CIFAR-10"}
    assert str(generators).encode() not in answer.path.read_bytes()


def test_without_generators_it_is_said_that_nothing_was_measured(
    source: Source, photographs: list[SourceImages], tmp_path: Path
) -> None:
    answer = asked(source)
    for one in answer.findings[-2:]:
        assert one.key in ("large", "imitations")
        assert not one.measure.known
        assert "not measured" in str(tell(one).full)
    assert set(answer.table["kind"]) == {OWN, PHOTOGRAPHS}
    with pytest.raises(StudyError, match="is no folder"):
        asked(source, large=str(tmp_path / "nowhere"))


def test_without_photographs_there_are_no_rows_of_them(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "crop_photographs", lambda *_, **__: [])
    assert set(asked(source).table["kind"]) == {OWN}


def test_a_detector_of_the_sample_is_asked_of_photographs_that_it_has_not_seen(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = []

    def cut(steps: Preprocessing, *, crops: int, split: str | None) -> list[SourceImages]:
        splits.append((crops, steps.size, split))
        return []

    monkeypatch.setattr(transfer, "crop_photographs", cut)
    context = source.open()
    for training in ("cifake-train", "sample-train"):
        context.detector.manifest = {"training_set": training}
        table = transfer.compute(context, np.arange(60), STUDY.with_parameters({"crops": 8}).parameters)
        assert isinstance(table, pd.DataFrame)
    assert splits == [(8, 32, None), (8, 32, "test")]


def test_a_detector_that_always_says_real_is_shown_to(
    source: Source, generators: Path, photographs: list[SourceImages]
) -> None:
    context = source.open()
    network = context.detector.network
    network.fc.bias.data[REAL] += 1000
    always = ResNetDetector(network, context.detector.width)
    table = transfer.compute(
        replace(context, detector=always), np.arange(60), STUDY.parameters | {"imitations": str(generators)}
    )
    foreign = table[table["kind"] != OWN]
    assert (foreign["share_real"] == 1).all()
    assert (foreign["high"] == 1).all()
    assert (foreign["low"] < 1).all()
    assert (foreign["depends"].dropna() == 0).all()


def test_a_part_of_the_run_s_images_is_refused(source: Source, photographs: list[SourceImages]) -> None:
    with pytest.raises(StudyError, match="leave --images out"):
        run_study(STUDY, source, images=20)
