"""The study of neighbours: what it says is what a search written out says, and its controls know nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.detectors.detector import Detector
from core.detectors.storage import save_detector
from core.findings.finding import Measure
from core.images.image_set import BusyError, ImageSet
from core.runs.metrics import wilson_interval
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.neighbours import findings as concluded
from core.studies.neighbours import reference
from core.studies.neighbours import study as neighbours
from core.studies.neighbours.findings import DEALT, conclude, deals_of
from core.studies.neighbours.study import STUDY, searched
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import read_study
from tests.conftest import write_cifake
from tests.core.studies.conftest import made_set, mixed_detector


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    searched.cache_clear()


def asked(source: Source, k: int = 5) -> pd.DataFrame:
    """The table."""
    answer = read_study(run_study(STUDY.with_parameters({"k": k}), source), read_run(source.run))
    return answer.table


def test_what_is_searched_is_opened_once_for_all_shards(source: Source) -> None:
    run_study(replace(STUDY.with_parameters({"k": 5}), shard=7), source)
    assert searched.cache_info().misses == 1


def test_the_runs_own_images_are_searched_where_the_training_images_are_not_at_hand(source: Source) -> None:
    table = asked(source)
    context = source.open()
    run, found = context.run, context.detector.full_pass(context.pixels)
    unit = found.features.astype(np.float16).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    distances = 1 - unit @ unit.T
    np.fill_diagonal(distances, np.inf)
    real = (run.predictions["label"] == "REAL").to_numpy()
    called = (run.predictions["predicted"] == "REAL").to_numpy()
    ids = run.predictions["id"].to_numpy()
    for row in range(0, 60, 7):
        near = np.argsort(distances[row])[:5]
        said_of = table.iloc[row]
        assert said_of["fake_share"] == pytest.approx(1 - real[near].mean())
        assert said_of["neighbours_say"] == ("REAL" if real[near].mean() > 0.5 else "FAKE")
        assert said_of["agrees"] == ((real[near].mean() > 0.5) == called[row])
        assert [said_of[f"near_{n}"] for n in range(1, 6)] == ids[near].tolist()
        assert said_of["distance"] == pytest.approx(distances[row, near[0]], abs=1e-4)
        others = np.where(called != called[row], distances[row], np.inf)
        assert said_of["near_other"] == ids[others.argmin()]
        assert said_of["distance_other"] == pytest.approx(others.min(), abs=1e-4)
    assert set(table["among"]) == {neighbours.OWN}
    assert set(table["candidates"]) == {60}


def test_pixels_and_dealt_labels_are_controls(source: Source) -> None:
    table = asked(source)
    context = source.open()
    flat = context.pixels.reshape(60, -1).astype(float)
    flat /= np.linalg.norm(flat, axis=1)[:, None]
    distances = 1 - flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    real = (context.run.predictions["label"] == "REAL").to_numpy()
    near = np.argsort(distances, axis=1)[:, :5]
    expected = np.where(real[near].mean(axis=1) > 0.5, "REAL", "FAKE")
    assert (table["pixels_say"].to_numpy(str) == expected).mean() > 0.98
    # labels dealt by lot agree with the truth about half the time
    right = (table["shuffled_say"].to_numpy(str) == np.where(real, "REAL", "FAKE")).mean()
    assert 0.3 < right < 0.7


def test_copies_of_a_file_are_not_its_neighbours(tmp_path: Path) -> None:
    images = made_set()
    pixels = images.pixels.copy()
    pixels[1] = pixels[0]
    rows = images.rows.copy()
    rows.loc[1, "sha256"] = rows.loc[0, "sha256"]
    source = _written(tmp_path, replace(images, pixels=pixels, rows=rows), mixed_detector(pixels))
    table = asked(source, k=3)
    assert rows["id"][1] not in table[[f"near_{n}" for n in range(1, 6)]].iloc[0].tolist()
    assert table["distance"][0] > 0


def _written(tmp_path: Path, images: ImageSet, detector: Detector) -> Source:
    folder = tmp_path / "home"
    save_detector(folder / "detectors" / "tiny", detector, model_card="# tiny\n")
    return Source(write_run(folder, detector, images, ship_images=True), folder / "detectors" / "tiny")


def test_the_training_images_are_searched_where_they_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = made_set()
    train = replace(made_set(40), name="made-train", split="train", fingerprint="f" * 64)
    detector = mixed_detector(images.pixels)
    detector.manifest = {"name": "tiny", "training_set": "made-train", "training_set_fingerprint": "f" * 64}
    source = replace(_written(tmp_path, images, detector), data="somewhere")
    monkeypatch.setattr(reference, "open_training_set", lambda *_args, **_more: train)
    table = asked(source)
    assert set(table["among"]) == {"made-train"}
    assert set(table["candidates"]) == {40}
    found = table[[f"near_{n}" for n in range(1, 6)]].to_numpy(str)
    assert set(found.ravel()) <= set(train.rows["id"])


def test_a_set_without_training_images_leads_to_the_runs_own(tmp_path: Path) -> None:
    images = made_set()
    detector = mixed_detector(images.pixels)
    detector.manifest = {"name": "tiny", "training_set": "cifake-train", "training_set_fingerprint": "f" * 64}
    tested = write_cifake(tmp_path / "cifake", train=0)
    table = asked(replace(_written(tmp_path, images, detector), data=str(tested)))
    assert set(table["among"]) == {neighbours.OWN}


def test_while_the_training_images_are_being_packed_no_others_are_searched(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_arguments: object, **_options: object) -> None:
        raise BusyError("Another process is packing this image set; wait until it has finished.")

    monkeypatch.setattr(reference, "open_training_set", busy)
    with pytest.raises(BusyError, match="wait until it has finished"):
        searched(source.open())


def test_rows_that_were_searched_among_different_images_are_not_counted_together(source: Source) -> None:
    run = read_run(source.run)
    table = read_study(run_study(STUDY, source), run).table
    first = np.arange(len(table)) == 0
    for mixed in (
        table.assign(among=np.where(first, "some-train", table["among"].to_numpy(str))),
        table.assign(candidates=np.where(first, 59, table["candidates"])),
    ):
        with pytest.raises(ValueError, match="searched among different images"):
            conclude(run, mixed, STUDY.parameters)


@pytest.mark.parametrize(("among", "k"), [(neighbours.OWN, 2), ("made-train", 3)])
def test_with_few_images_all_others_are_neighbours(among: str, k: int) -> None:
    table = pd.DataFrame({"among": [among] * 3, "candidates": 3})
    assert concluded._whose(table, STUDY.parameters)["k"] == k


def test_the_findings_are_shares_with_their_intervals(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concluded, "ENOUGH", 3)
    run = read_run(source.run)
    answer = read_study(run_study(STUDY, source), run)
    called = run.predictions["predicted"].astype(str).to_numpy()
    label = run.predictions["label"].astype(str).to_numpy()
    for verdict in ("FAKE", "REAL"):
        hits = int((answer.table["neighbours_say"].to_numpy(str)[called == verdict] == verdict).sum())
        images = int((called == verdict).sum())
        finding = answer.finding(f"agree_{verdict.lower()}")
        assert finding is not None
        low, high = wilson_interval(hits, images)
        one = finding.measure
        assert (one.value, one.n) == (pytest.approx(hits / images), images)
        assert (one.low, one.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
        own, pixels = ((answer.table[f"{name}_say"] == verdict)[called == verdict] for name in ("neighbours", "pixels"))
        assert finding.control is not None
        assert finding.control.measure.value == pytest.approx(pixels.mean())
        # the same images twice: the interval of the difference is that of pairs
        apart = own.astype(float) - pixels.astype(float)
        assert finding.difference is not None
        assert finding.difference.value == pytest.approx(apart.mean())
        half = stats.t.ppf(0.975, len(apart) - 1) * stats.sem(apart)
        ends = (pytest.approx(apart.mean() - half), pytest.approx(apart.mean() + half))
        assert (finding.difference.low, finding.difference.high) == ends
    wrong = called != label
    astray = answer.finding("errors")
    assert astray is not None
    assert astray.measure.n == wrong.sum()
    assert astray.measure.value == pytest.approx((answer.table["neighbours_say"].to_numpy(str) == called)[wrong].mean())
    far = answer.finding("far")
    assert far is not None
    assert far.measure.n == 6


def test_without_errors_nothing_is_said_of_them(source: Source) -> None:
    run = read_run(source.run)
    table = read_study(run_study(STUDY, source), run).table
    run.predictions["predicted"] = run.predictions["label"]
    assert {finding.key for finding in conclude(run, table, STUDY.parameters)} == {"agree_fake", "agree_real", "truth"}


def test_a_deal_by_lot_ends_far_from_a_half_where_images_share_their_neighbours() -> None:
    def ends(shared: bool, images: int = 400, share: float = 0.5) -> tuple[float, float]:
        rows = np.arange(5 * images).reshape(images, 5) % (5 if shared else 5 * images)
        table = pd.DataFrame({f"near_{n + 1}": [f"train-{row}" for row in rows[:, n]] for n in range(5)})
        low, high = np.quantile(deals_of(table, np.ones(images), share=share), [0.025, 0.975])
        return float(low), float(high)

    assert ends(True) == (0.0, 1.0)
    low, high = ends(False)
    # as many throws of a coin as there are images
    error = 1.96 * 0.5 / 20
    assert (low, high) == (pytest.approx(0.5 - error, abs=0.02), pytest.approx(0.5 + error, abs=0.02))
    # three of five, where nine of ten are of the class
    expected = stats.binom.sf(2, 5, 0.9)
    assert ends(False, share=0.9)[0] < expected < ends(False, share=0.9)[1]


def test_uneven_labels_are_dealt_to_as_many_neighbours_as_the_study_asks() -> None:
    names = np.arange(2000).reshape(400, 5)
    table = pd.DataFrame({f"near_{n + 1}": [f"test-{row}" for row in names[:, n]] for n in range(5)})
    # of ten, five of each class leave it to the nearest
    expected = stats.binom.sf(5, 10, 0.8) + stats.binom.pmf(5, 10, 0.8) / 2
    assert deals_of(table, np.ones(400), share=0.8, k=10).mean() == pytest.approx(expected, abs=0.004)
    # of even ones five are asked, however many the study asks
    np.testing.assert_array_equal(deals_of(table, np.ones(400), k=10), deals_of(table, np.ones(400)))


def test_labels_are_dealt_as_the_searched_images_have_them(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(source.run)
    table = read_study(run_study(STUDY, source), run).table
    assert not table["among"].iloc[0].endswith("-train")

    def dealt(said: str, training: bool) -> Measure | None:
        rows = table.assign(shuffled_say=said, among="some-train" if training else table["among"])
        found = {one.key: one for one in conclude(run, rows, STUDY.parameters)}["agree_real"].choice("control", DEALT)
        return None if found is None or found.control is None else found.control.measure

    run.predictions["label"] = np.where(np.arange(len(run)) % 30 == 0, "FAKE", "REAL")
    own = dealt("REAL", training=False)
    assert own is not None
    assert own.low > 0.8
    # nothing says that nearly all of these were REAL
    monkeypatch.setattr(concluded, "deals_of", lambda *_, **__: np.linspace(0.45, 0.55, 200))
    assert dealt("REAL", training=True) is None


def test_a_missing_neighbour_has_no_vote() -> None:
    table = pd.DataFrame({"near_1": [f"train-{row}" for row in range(400)], **{f"near_{n}": None for n in range(2, 6)}})
    low, high = np.quantile(deals_of(table, np.ones(400)), [0.025, 0.975])
    assert 0.42 < low < 0.48
    assert 0.52 < high < 0.58
