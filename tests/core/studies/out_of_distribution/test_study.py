"""How far a verdict carries, on made archives and photographs: rates, intervals over clusters, and sentences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.detectors.resnet import ResNetDetector
from core.detectors.storage import load_detector
from core.findings.words import tell
from core.images.decoding import RESAMPLING
from core.images.labels import REAL
from core.images.out_of_distribution import as_cifake, read_generators
from core.metrics.classification import confidence_of
from core.metrics.intervals import clustered_share, wilson_interval
from core.runs.run import read_run
from core.studies.out_of_distribution import study as transfer
from core.studies.out_of_distribution.study import AS_CIFAKE, AS_IT_IS, EVERY_FILTER, GENERATOR, OWN, PHOTOGRAPHS, STUDY
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import StudyError, StudyResult
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
def photographs(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, np.ndarray]]:
    """Three made photographs of 4, 6 and 2 squares, another under each filter."""
    made = {
        f"photo{seed}": {
            name: textured(count, fine=bool((seed + number) % 2), seed=40 + seed)
            for number, name in enumerate(RESAMPLING)
        }
        for seed, count in enumerate((4, 6, 2))
    }
    monkeypatch.setattr(transfer, "crop_photographs", lambda **_: made)
    return made


def asked(source: Source, **parameters: object) -> StudyResult:
    """The study's answer."""
    return read_study(run_study(STUDY.with_parameters(parameters), source), read_run(source.run))


def test_each_generator_is_counted_both_ways_saved(
    source: Source, generators: Path, photographs: dict[str, dict[str, np.ndarray]]
) -> None:
    table = asked(source, generators=str(generators)).table
    detector = load_detector(source.detector)
    everything: dict[str, list[np.ndarray]] = {AS_IT_IS: [], AS_CIFAKE: []}
    for one in read_generators(generators, 32):
        for encoding, pixels in ((AS_IT_IS, one.pixels), (AS_CIFAKE, as_cifake(one.pixels))):
            margins = detector.margins(pixels)
            real = margins > 0
            everything[encoding].append(real)
            row = table[(table["kind"] == GENERATOR) & (table["source"] == one.name) & (table["encoding"] == encoding)]
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
        row = table[(table["kind"] == GENERATOR) & (table["source"] == "all") & (table["encoding"] == encoding)].iloc[0]
        clusters = np.repeat(range(3), [len(part) for part in parts])
        expected = clustered_share(np.concatenate(parts), clusters)
        # generators are the independent samples, not their pictures
        assert (row["images"], row["clusters"]) == (20, 3)
        np.testing.assert_allclose(row[["share_real", "low", "high"]].astype(float), expected[:3])


def test_the_test_set_itself_is_the_control(source: Source, photographs: dict[str, dict[str, np.ndarray]]) -> None:
    table = asked(source).table
    run = read_run(source.run).predictions
    for label in ("FAKE", "REAL"):
        row = table[(table["kind"] == OWN) & (table["source"] == label)].iloc[0]
        here = run[run["label"] == label]
        assert row["images"] == len(here)
        assert row["share_real"] == pytest.approx((here["predicted"] == "REAL").mean())


def test_what_hangs_on_the_filter_is_counted_over_the_same_squares(
    source: Source, photographs: dict[str, dict[str, np.ndarray]]
) -> None:
    answer = asked(source)
    table = answer.table[answer.table["kind"] == PHOTOGRAPHS]
    detector = load_detector(source.detector)
    calls = {}
    for name in RESAMPLING:
        pixels = as_cifake(np.concatenate([one[name] for one in photographs.values()]))
        calls[name] = detector.margins(pixels) > 0
        row = table[(table["filter"] == name) & (table["encoding"] == AS_CIFAKE)].iloc[0]
        assert (row["called_real"], row["clusters"]) == (calls[name].sum(), 3)
        low, high = clustered_share(calls[name], np.repeat(range(3), (4, 6, 2)))[1:3]
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    every = table[(table["filter"] == EVERY_FILTER) & (table["encoding"] == AS_CIFAKE)].iloc[0]
    stacked = np.stack(list(calls.values()))
    depends = stacked.any(axis=0) & ~stacked.all(axis=0)
    assert every["depends"] == pytest.approx(depends.mean())
    assert every["called_real"] == stacked.all(axis=0).sum()
    assert every["called_real"] + every["called_fake"] + depends.sum() == every["images"] == 12
    finding = answer.finding("filters")
    assert finding is not None
    assert finding.measure.value == pytest.approx(depends.mean())
    assert (finding.measure.n, finding.measure.clusters) == (12, 3)


def test_the_findings_are_rates_with_intervals_controls_and_every_choice(
    source: Source, generators: Path, photographs: dict[str, dict[str, np.ndarray]]
) -> None:
    answer = asked(source, generators=str(generators))
    table = answer.table
    said = {finding.key: finding for finding in answer.findings}
    assert list(said) == ["generators", "confidence_generators", "photographs", "filters", "confidence_photographs"]
    whole = table[(table["source"] == "all") & (table["kind"] == GENERATOR) & (table["encoding"] == AS_CIFAKE)].iloc[0]
    one = said["generators"]
    assert (one.measure.value, one.measure.low, one.measure.high) == tuple(whole[["share_real", "low", "high"]])
    assert (one.measure.n, one.measure.clusters, one.details["left_out"]) == (20, 3, 1)
    own = table[(table["kind"] == OWN) & (table["source"] == "FAKE")].iloc[0]
    assert one.control is not None
    assert one.control.measure.value == own["share_real"]
    assert {choice.value for choice in one.choices if choice.kind == "encoding"} == {AS_CIFAKE, AS_IT_IS}
    assert len([choice for choice in one.choices if choice.kind == "generator"]) == 3
    photographs_ = table[(table["kind"] == PHOTOGRAPHS) & (table["encoding"] == AS_CIFAKE)].set_index("filter")
    accused = said["photographs"]
    assert accused.measure.value == pytest.approx(1 - photographs_.loc["bicubic", "share_real"])
    assert accused.measure.low == pytest.approx(1 - photographs_.loc["bicubic", "high"])
    for name in RESAMPLING:
        tried = accused.choice("filter", name)
        assert tried is not None
        assert tried.measure.value == pytest.approx(1 - photographs_.loc[name, "share_real"])
    words = [str(tell(one).full) for one in answer.findings]
    assert words[0].startswith("Of 20 pictures by 3 other generators ")
    assert "1 file was left out" in words[0]
    assert not any("nan" in one for one in words)


def test_where_generators_lie_is_not_kept(
    source: Source, generators: Path, photographs: dict[str, dict[str, np.ndarray]]
) -> None:
    answer = asked(source, generators=str(generators))
    assert answer.about["parameters"] == {"crops": 100}
    assert str(generators).encode() not in answer.path.read_bytes()


def test_without_generators_it_is_said_that_nothing_was_measured(
    source: Source, photographs: dict[str, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    answer = asked(source)
    assert answer.findings[0].key == "no_generators"
    assert not answer.findings[0].measure.known
    assert "not measured" in str(tell(answer.findings[0]).answer)
    assert set(answer.table["kind"]) == {OWN, PHOTOGRAPHS}
    with pytest.raises(StudyError, match="is no folder"):
        asked(source, generators=str(tmp_path / "nowhere"))


def test_without_photographs_there_are_no_rows_of_them(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "crop_photographs", lambda **_: {})
    assert set(asked(source).table["kind"]) == {OWN}


def test_a_detector_of_the_sample_is_asked_of_photographs_that_it_has_not_seen(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = []

    def cut(*, crops: int, side: int, split: str | None) -> dict[str, dict[str, np.ndarray]]:
        splits.append((crops, side, split))
        return {}

    monkeypatch.setattr(transfer, "crop_photographs", cut)
    context = source.open()
    for training in ("cifake-train", "sample-train"):
        context.detector.manifest = {"training_set": training}
        table = transfer.compute(context, np.arange(60), STUDY.with_parameters({"crops": 8}).parameters)
        assert isinstance(table, pd.DataFrame)
    assert splits == [(8, 32, None), (8, 32, "test")]


def test_a_detector_that_always_says_real_is_shown_to(
    source: Source, generators: Path, photographs: dict[str, dict[str, np.ndarray]]
) -> None:
    context = source.open()
    network = context.detector.network
    network.fc.bias.data[REAL] += 1000
    always = ResNetDetector(network, context.detector.width)
    table = transfer.compute(
        replace(context, detector=always), np.arange(60), {"generators": str(generators), "crops": 4}
    )
    foreign = table[table["kind"] != OWN]
    assert (foreign["share_real"] == 1).all()
    assert (foreign["high"] == 1).all()
    assert (foreign["low"] < 1).all()
    assert (foreign["depends"].dropna() == 0).all()
