"""Warnings of a run, each against its own definition and none where nothing is wrong; and model cards."""

import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from core.homes import ROOT
from core.images.labels import CLASSES
from core.images.preprocessing import Preprocessing
from core.runs.run import SCORES
from core.runs.summary import count_resized, find_shortcuts, model_card, warnings_of
from core.storage.atomic import read_manifest
from tests.core.runs.made import made_run


def run_of(confusion):
    """A run with these counts, [label][prediction], FAKE first."""
    pairs = [(label, called) for label in (0, 1) for called in (0, 1) for _ in range(confusion[label][called])]
    names = np.array(["FAKE", "REAL"])[np.array(pairs)]
    return made_run(names[:, 0], names[:, 1])


@pytest.mark.parametrize(
    "confusion, not_above_chance, few",
    [
        ([[13, 7], [9, 11]], True, True),
        ([[0, 4], [0, 400]], True, False),
        # 60 of 100 is above one half (p = 0.028), 58 is not (p = 0.067)
        ([[30, 20], [20, 30]], False, True),
        ([[29, 21], [21, 29]], True, True),
        ([[360, 40], [60, 340]], False, False),
        # of one class there is no chance level
        ([[0, 0], [1, 19]], False, True),
        ([[0, 0], [5, 495]], False, False),
    ],
)
def test_chance_and_few_images(confusion, not_above_chance, few):
    right = confusion[0][0] + confusion[1][1]
    total = sum(map(sum, confusion))
    chance = max(map(sum, confusion)) / total
    p = binomtest(right, total, chance, alternative="greater").pvalue
    low, high = proportion_confint(right, total, method="wilson")
    assert (p > 0.05) == not_above_chance or 0 in map(sum, confusion)
    assert (high - low >= 0.1) == few
    found = warnings_of(run_of(confusion))
    wanted = [(f"{right} of {total}", f"{chance:.0%}", f"{p:.2f}")] * not_above_chance
    wanted += [(f"{right} of {total}", f"{low:.0%} to {high:.0%}")] * few
    assert len(found) == len(wanted)
    for numbers, sentence in zip(wanted, found, strict=True):
        assert all(number in sentence for number in numbers)


def test_margins_that_are_noise_or_saturated():
    run = run_of([[480, 20], [20, 480]])
    assert warnings_of(run) == []
    margins = run.predictions["margin"].to_numpy()
    (noise,) = warnings_of(replace(run, manifest={"noise": 0.75}))
    assert f"{(np.abs(margins) <= 0.75).sum()} of 1,000" in noise
    for extreme, count in ((15.94, 10), (-15.94, 10), (15.94, 11), (-15.94, 75)):
        many = np.where(np.arange(1000) < count, extreme, margins)
        found = warnings_of(replace(run, predictions=run.predictions.assign(margin=many)))
        assert len(found) == (count > 10)
        assert all(text.startswith(f"{count} of 1,000 margins are exactly {extreme}") for text in found)
    # nothing can be wrong in a run without labels
    assert warnings_of(replace(run_of([[3, 1], [1, 3]]), predictions=run.predictions.assign(label=None)[:9])) == []


def test_shortcuts_are_what_a_rule_learned_on_half_of_the_files_gets_right_on_the_rest():
    number = np.arange(80)
    label = np.where(number // 2 % 4 == 0, "FAKE", "REAL")
    is_fake = label == "FAKE"
    turn = number // 8
    rows = pd.DataFrame(
        {
            "label": label,
            "format": "PNG",
            # one file of ten of each class looks like the other class's
            "metadata": np.where(is_fake ^ (turn == 0), "camera", "tool"),
            # of 64 pixels there are more REAL than FAKE files, but a smaller share of them
            "width": np.where(is_fake | (turn % 5 < 2), 64, 32),
            "height": 48,
            "quality": np.where(is_fake, np.nan, np.where(turn % 5 < 2, 90.0, 75.0)),
        },
        index=number + 1000,
    )
    found = find_shortcuts(rows)
    assert found.to_numpy().tolist() == [
        ["quality", "none, 100%", "quality 75, 60%", 1.0],
        ["metadata", "camera, 90%", "tool, 90%", pytest.approx(0.9)],
        ["size", "64 x 48 px, 100%", "32 x 48 px, 60%", 0.8],
    ]
    assert list(found) == ["Property", *CLASSES, "Right by it alone"]
    for few in (rows[["label", "width"]], rows[is_fake]):
        assert list(find_shortcuts(few)) == list(found)
        assert len(find_shortcuts(few)) == 0
    (sentence,) = warnings_of(made_run(label, label, metadata=rows["metadata"].to_numpy()))
    assert all(words in sentence for words in ("metadata", "right 90%", "camera, 90%", "tool, 90%"))


def test_pictures_are_counted_that_were_not_seen_at_their_own_size():
    sizes = [(32, 32)] * 3 + [(64, 32)] * 2 + [(16, 40)] * 4 + [(100, 90)] * 5
    height, width = np.array(sizes, float).T
    run = made_run(["REAL", "FAKE"] * 7, ["REAL", "FAKE"] * 7, height=height, width=width)
    about = {"detector_sha256": "ab", "preprocess": asdict(Preprocessing(32))}
    run = replace(run, manifest=about)
    # of an oblong picture the square in its middle is seen
    expected = {"shrunk": 5, "enlarged": 4}
    assert count_resized(run) == expected
    text = " ".join(warnings_of(run))
    assert all(f"{number} of 14" in text and change in text for change, number in expected.items())
    nothing = {"shrunk": 0, "enlarged": 0}
    assert count_resized(replace(run, predictions=run.predictions.drop(columns="width"))) == nothing
    assert count_resized(replace(run, manifest=about | {"detector_sha256": SCORES})) == nothing
    unknown = run.predictions.assign(width=np.where(np.arange(14) < 9, np.nan, width))
    assert count_resized(replace(run, predictions=unknown)) == {"shrunk": 5, "enlarged": 0}


ASSETS = ROOT / "assets"


@pytest.mark.parametrize("name", ["masked", "patch", "strong"])
def test_a_card_holds_the_numbers_of_its_manifests(name):
    folder = ASSETS / "detectors" / name
    run = read_manifest(ASSETS / "runs" / f"{name}@cifake-test", "run")
    card = model_card(read_manifest(folder, "detector"), run)
    # rows with nothing between them, or it were no table
    assert not re.search(r"\|\n\s*\n\|", card)
    shipped = (folder / "README.md").read_text(encoding="utf-8")
    # the card of a joined one is of an older form
    pattern = r"\d\.\d{4}\b" if name == "strong" else r"`.+?`|[\d.]+|\|.*|fitted on the held-out|mean of scores"
    assert re.findall(pattern, card) == re.findall(pattern, shipped)
