"""Images of other sources, on made archives and photographs: rates, and intervals over clusters."""

import numpy as np
import pytest

from core.detectors.storage import load_detector
from core.findings.intervals import clustered_share
from core.images.decoding import RESAMPLING
from core.images.encoding import encode_png
from core.images.image_set import DatasetError
from core.images.out_of_distribution import AS_DRAWN, SourceImages, read_generators
from core.images.preprocessing import Preprocessing
from core.runs.metrics import confidence_of, wilson_interval
from core.runs.run import read_run
from core.studies.questions import out_of_distribution
from core.studies.questions.out_of_distribution import (
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
from core.studies.runner import run_study
from core.studies.store import read_study
from core.studies.study import StudyError
from tests.conftest import resaved, textured
from tests.core.findings.planted import choice, numbers
from tests.core.images.test_out_of_distribution import write_archive

SIZES = {"dcgan": 4, "ddpm": 6, "gan": 9, "vae": 5, "wgan": 3}


def as_cifake(pixels):
    """The pictures, saved as CIFAKE's are."""
    return np.stack([resaved(image, "JPEG", quality=75, subsampling=2) for image in pixels])


@pytest.fixture
def generators(tmp_path):
    """Five made archives; one has a damaged file."""
    folder = tmp_path / "generators"
    folder.mkdir()
    for seed, (name, count) in enumerate(SIZES.items()):
        images = textured(count, fine=bool(seed % 2), seed=20 + seed)
        files = {f"{n}.png": encode_png(image) for n, image in enumerate(images)}
        write_archive(folder / f"{name}.tar.xz", files | ({"x.png": b"broken"} if name == "vae" else {}))
    return folder


@pytest.fixture
def large(tmp_path):
    """Two made generators of 3 and 5 pictures larger than the detector's side."""
    folder = tmp_path / "large"
    for seed, (name, count) in enumerate({"stable_diffusion_v1": 3, "dit": 5}.items()):
        (folder / name).mkdir(parents=True)
        images = textured(count, fine=True, seed=60 + seed).repeat(3, axis=1).repeat(3, axis=2)
        for number, image in enumerate(images):
            (folder / name / f"{number}.png").write_bytes(encode_png(image))
    return folder


@pytest.fixture(autouse=True)
def photographs(monkeypatch):
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
    monkeypatch.setattr(out_of_distribution, "crop_photographs", lambda *_, **__: made)
    return made


def result_of(source, **parameters):
    return read_study(run_study(STUDY.with_parameters(parameters), source), read_run(source.run))


def rows_of(table, kind, encoding=AS_CIFAKE):
    return table[(table["kind"] == kind) & (table["encoding"] == encoding)]


def test_each_generator_is_counted_both_ways_saved(source, generators):
    result = result_of(source, imitations=str(generators))
    detector = load_detector(source.detector)
    for encoding in (AS_IT_IS, AS_CIFAKE):
        rows = rows_of(result.table, IMITATIONS, encoding).set_index("source")
        calls = []
        for images in read_generators(generators, Preprocessing(32)):
            pixels = images.pixels[AS_DRAWN]
            row = rows.loc[images.name]
            margins = detector.margins(as_cifake(pixels) if encoding == AS_CIFAKE else pixels)
            calls.append(margins > 0)
            low, high = map(float, wilson_interval(int(calls[-1].sum()), len(margins)))
            assert row["images_count"] == SIZES[images.name]
            assert row["called_real_count"] == calls[-1].sum()
            assert (row["low"], row["high"]) == pytest.approx((low, high))
            confidence = confidence_of(detector.p_real(margins))
            assert row["confidence"] == pytest.approx(confidence.mean(), abs=1e-5)
            assert row["sure_share"] == pytest.approx((confidence >= 0.95).mean())
            assert row["skipped_count"] == int(images.name == "vae")
            assert row["fingerprint"] == images.fingerprint
        # generators are the independent samples, not their pictures
        clusters = np.repeat(range(5), list(map(len, calls)))
        whole = rows.loc["all"]
        assert whole["images_count"] == 27
        assert whole["clusters_count"] == 5
        np.testing.assert_allclose(
            whole[["called_real_share", "low", "high"]].astype(float),
            numbers(clustered_share(np.concatenate(calls), clusters))[:3],
        )
    # where the generators lie is not stored
    assert result.about["parameters"] == {"crops": 100, "imitates": "CIFAR-10"}
    assert str(generators).encode() not in result.path.read_bytes()


def test_filters_are_compared_on_the_same_squares(source, photographs):
    result = result_of(source)
    rows = rows_of(result.table, PHOTOGRAPHS)
    alone = rows[rows["source"] != "all"]
    whole = rows[rows["source"] == "all"].set_index("filter")
    detector = load_detector(source.detector)
    calls = {}
    for name in RESAMPLING:
        calls[name] = detector.margins(as_cifake(np.concatenate([one.pixels[name] for one in photographs]))) > 0
        assert whole.loc[name, "called_real_count"] == calls[name].sum()
        assert whole.loc[name, "clusters_count"] == 3
        _, low, high, _ = numbers(clustered_share(calls[name], np.repeat(range(3), (4, 6, 2))))
        assert (whole.loc[name, "low"], whole.loc[name, "high"]) == pytest.approx((low, high))
        each = alone[alone["filter"] == name]
        assert [*each["called_real_count"]] == [part.sum() for part in np.split(calls[name], [4, 10])]
        # crops of one photograph say nothing of others
        assert (each[["clusters_count", "low", "high"]] == [1, 0, 1]).all(axis=None)
    for title, names in {EVERY_FILTER: [*calls], BUT_CRUDEST: [name for name in calls if name != "nearest"]}.items():
        some = np.stack([calls[name] for name in names])
        measure = choice(result.finding("filters_photographs"), "filters", title).measure
        assert measure.value == pytest.approx((some.any(axis=0) & ~some.all(axis=0)).mean())
        assert (measure.n, measure.sources) == (12, 3)
        assert whole.loc[title, "called_real_count"] == some.all(axis=0).sum()


def test_pictures_drawn_large_are_their_own_group_under_every_filter(source, generators, large):
    result = result_of(source, imitations=str(generators), large=str(large))
    rows = rows_of(result.table, LARGE).set_index(["source", "filter"])["called_real_share"]
    finding = result.finding("large")
    for name in RESAMPLING:
        measure = choice(finding, "filter", name).measure
        # two generators are the independent samples, not their eight pictures: too few for an interval
        assert (measure.value, measure.n, measure.sources) == (rows["all", name], 8, 2)
        assert not measure.has_interval
    assert finding.measure.value == rows["all", "bicubic"]
    # each is measured better than what all generators do, so alone none bears a claim
    diffusion = choice(finding, "generator", "Stable Diffusion 1")
    assert (diffusion.measure.value, diffusion.control) == (rows["stable_diffusion_v1", "bicubic"], None)
    # no rate is over both groups
    assert not any(finding.measure.n == 35 for finding in result.findings)
    assert set(result.table["kind"]) == {OWN, IMITATIONS, LARGE, PHOTOGRAPHS}


def test_what_cannot_be_measured_is_refused(source, tmp_path):
    with pytest.raises(DatasetError, match="is no folder"):
        result_of(source, large=str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match="leave --images out"):
        run_study(STUDY, source, images=20)
