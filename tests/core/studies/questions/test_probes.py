"""The study of probes on made images: flip rates, donors, and findings that survive every control and way."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.findings.answer import answer_of
from core.findings.intervals import weighted_share
from core.perturbations.probe import FAMILIES, margin_column, size_column
from core.perturbations.registry import PROBES, probe_columns
from core.runs.run import read_run
from core.storage.limits import ContractError
from core.studies.questions.probes import STUDY, compute, conclude
from core.studies.shared.flips import by_change, choose_donors, flip_rates, probe_example, read_flips
from core.studies.store import conclude_again, read_study, study_path, write_study
from core.studies.study import Context
from tests.core.cue_detectors import CUES, mean_colour

PARAMETERS = {"seed": 0}


@pytest.fixture(scope="module")
def cue():
    """A run of 400 images, half of it called FAKE."""
    return mean_colour(400).run(Path("nowhere"))


def counted(run, turned):
    """A table in which only the chosen shares of verdicts flip: column -> share that turns, 0 to 1."""
    real = (run.predictions["predicted"] == "REAL").to_numpy()
    place = np.arange(len(run)) % (len(run) // 2) / (len(run) // 2)
    columns = {}
    for column, (probe, _) in probe_columns().items():
        # a donor that is changed turns where it gets the image's verdict
        is_real = (place < turned.get(column, 0)) ^ real ^ probe.changes_donor
        columns[margin_column(column)] = np.where(is_real, 1.0, -1.0).astype(np.float16)
        columns[size_column(column)] = np.float16(900 if probe.is_control else 200)
    return pd.concat([run.predictions[["id"]], pd.DataFrame(columns)], axis=1).assign(weight=np.float32(1))


def rates_of(run, table, **options):
    """The flip rates of a study's table."""
    return flip_rates(read_flips(run, table), **options)


def test_rates_are_counted_by_verdict_and_label_with_their_weights(probed):
    run = read_run(probed.run)
    table = read_study(study_path(probed.run, STUDY.name), run).table
    table["weight"] = np.random.default_rng(0).uniform(1, 5, len(table)).astype(np.float32)
    rows = run.predictions
    counted = rates_of(run, table, by="cell", probes=("lowpass", "lend"))
    assert {rate.group for rate in counted} == {"FAKE", "REAL"}
    for rate in counted:
        here = (rows["predicted"] == rate.verdict) & (rows["label"] == rate.group)
        weights = table["weight"][here].to_numpy(float)
        real = table[margin_column(rate.column)][here].to_numpy(float) > 0
        # what an image lends turns an image of the other verdict
        lends = rate.probe.key == "lend"
        assert (rate.flipped == rate.verdict) != lends
        turned = (real == (rate.verdict == "REAL")) == lends
        share = rate.contrast.measure
        assert share == weighted_share(turned, weights)
        if rate.probe.key == "lowpass":
            control = rate.contrast.control.measure
            assert rate.contrast.difference.value == pytest.approx(share.value - control.value)


def test_a_share_is_set_against_its_strongest_control_with_a_paired_interval(cue):
    """The interval of the difference against a bootstrap of the images."""
    turned = {"lowpass_12": 0.5, "lowpass_control_12": 0.1, "lowpass_pattern_12": 0.4, "lowpass_grey_12": 0.2}
    table = counted(cue, turned)
    rates = {(rate.verdict, rate.column): rate for rate in rates_of(cue, table)}
    rate = rates["FAKE", "lowpass_12"].contrast
    assert rate.value == PROBES["lowpass_pattern"].inline
    assert rate.control.measure.value == 0.4
    assert rate.measure.value == 0.5
    fake = (cue.predictions["predicted"] == "FAKE").to_numpy()
    lead = np.subtract(*((table[f"{key}_12_margin"][fake] > 0).astype(float) for key in ("lowpass", "lowpass_pattern")))
    drawn = np.random.default_rng(0).choice(lead, (4000, len(lead))).mean(axis=1)
    ends = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose([rate.difference.low, rate.difference.high], ends, atol=0.006)
    assert rates["FAKE", "brighter_48"].contrast.difference is None


def test_the_detector_says_of_the_pictures_what_the_study_says(probed):
    run = read_run(probed.run)
    table = by_change(read_study(study_path(probed.run, STUDY.name), run).table).set_index("id")
    context = probed.open()
    for row in (0, 41):
        example = probe_example(run, row, lambda at: context.pixels[at])
        assert set(example.pictures) == set(probe_columns())
        margins = context.detector.margins(np.stack(list(example.pictures.values())))
        expected = table.loc[run.predictions["id"][row], list(example.pictures)].to_numpy(float)
        assert_allclose(margins, expected, rtol=0.01, atol=2e-3)


def test_donors_are_right_of_the_asked_verdict_of_the_category_and_never_the_image(tmp_path):
    run = mean_colour().run(tmp_path)
    # three wrong answers and one repeat, none of which may lend
    run.predictions.loc[[0, 5], "predicted"] = "REAL"
    run.predictions.loc[[79], "predicted"] = "FAKE"
    run.predictions.loc[[50], "is_repeat"] = True
    rows = np.arange(len(run))
    donors = choose_donors(run, rows)
    table = run.predictions
    for chosen, same in ((donors.other, False), (donors.same, True)):
        lent = table.iloc[chosen].reset_index(drop=True)
        assert not set(chosen) & {0, 5, 79, 50}
        assert (lent["label"] == lent["predicted"]).all()
        assert ((lent["predicted"] == table["predicted"]) == same).all()
        assert (lent["category"] == table["category"]).all()
        assert (chosen != rows).all()
        assert len(set(chosen)) > 20
    # a copy of an image borrows nothing from it, whatever is drawn
    copies = np.arange(10, 70, 7)
    copied = np.roll(rows, 3)[copies]
    again = replace(run, predictions=table.copy())
    again.predictions.loc[copies, "sha256"] = table["sha256"][copied].to_numpy()
    again.predictions.loc[copies, "is_repeat"] = True
    for seed in range(30):
        lent = choose_donors(again, copies, seed=seed)
        assert not ((lent.same == copied) | (lent.other == copied)).any()
    part = choose_donors(run, rows[10:20])
    assert_array_equal(part.other, donors.other[10:20])
    assert (choose_donors(run, rows, seed=1).other != donors.other).any()


VERDICTS = ("FAKE", "REAL")
# what each network sees -> the answers that must hold
SEEN = {
    "mean_colour": {"colour-FAKE", "colour-REAL"},
    "ring": {"transplant-FAKE", "transplant-REAL"},
    "corner": {"place-REAL"},
    "block_order": {"blocks-FAKE", "blocks-REAL"},
}
# what nothing but its own network may rest on much
ONLY = ("colour", "place", "blocks")
CONTROLS = ("lowpass_control", "lowpass_pattern", "lowpass_grey")
SEAMS = ("shuffle_blend", "shuffle", "shuffle_fade")


@pytest.fixture
def found(cue):
    """From the shares that flip to the findings by their keys."""
    return lambda flipped: {finding.key: finding for finding in conclude(cue, counted(cue, flipped), PARAMETERS)}


@pytest.mark.parametrize("name", CUES)
def test_each_network_rests_on_what_it_sees_and_on_nothing_else(name, tmp_path):
    detector = CUES[name]()
    run = detector.run(tmp_path)
    table = compute(Context(run, detector, detector.pixels), np.arange(len(run)), PARAMETERS)
    made = {one.key: one for one in conclude(run, table.assign(weight=np.float32(1)), PARAMETERS)}
    assert set(made) == {f"{family}-{verdict}" for family in FAMILIES for verdict in VERDICTS}
    much = {
        key
        for key, finding in made.items()
        if answer_of(finding).word == "yes" and finding.difference is not None and finding.difference.low > 0.25
    }
    assert much >= SEEN[name]
    assert not {key for key in much - SEEN[name] if key.partition("-")[0] in ONLY}


DETAIL = {
    "lowpass_8": 0.9, "lowpass_control_8": 0.02, "lowpass_pattern_8": 0.2, "lowpass_grey_8": 0.3, "rephase_8": 0.8,
    "blur_2": 0.8,
}  # fmt: skip
BLOCKS = dict.fromkeys((f"{key}_8" for key in SEAMS), 0.5)
TURNED = {f"{key}_8": 0.5 for key in ("shuffle_blend_turn", "shuffle_turn", "shuffle_fade_turn")}
PLACE = {"hide_border_texture": 0.5, "hide_border_flat": 0.4}


@pytest.mark.parametrize(
    "family, flipped, answer",
    [
        ("detail", DETAIL, "yes"),
        *(("detail", DETAIL | {f"{key}_8": 0.9}, "depends on control, change") for key in CONTROLS),
        # random phases may say otherwise than removal, and so may the blur that is like it
        ("detail", DETAIL | {"rephase_8": 0.4, "rephase_pattern_8": 0.6}, "depends on change"),
        ("detail", DETAIL | {"blur_2": 0, "blur_grey_2": 0.5}, "depends on change"),
        ("blocks", BLOCKS, "yes"),
        ("blocks", BLOCKS | {"shuffle_turn_8": 0.9}, "depends on seam"),
        # no way differs from its control
        ("blocks", BLOCKS | TURNED, "no"),
        ("place", PLACE, "yes"),
        # the same frame further in flips more: nothing of the place
        ("place", PLACE | {"hide_frame_32_texture": 0.7, "hide_frame_32_flat": 0.7}, "depends on control"),
        ("place", PLACE | {"hide_border_flat": 0.2, "hide_frame_8_flat": 0.2}, "depends on fill"),
    ],
)
def test_a_claim_needs_every_control_and_every_way_of_making_the_change(found, family, flipped, answer):
    assert str(answer_of(found(flipped)[f"{family}-FAKE"])) == answer


def test_the_strongest_control_is_first_and_every_control_and_way_is_a_choice(found):
    findings = found(DETAIL | BLOCKS | PLACE)
    detail = findings["detail-FAKE"]
    controls = {contrast.value for contrast in detail.contrasts if contrast.kind == "control"}
    assert controls == {PROBES[key].inline for key in CONTROLS}
    assert (detail.control.measure.value, detail.difference.value) == pytest.approx((0.3, 0.6))
    seams = [contrast.value for contrast in findings["blocks-FAKE"].choices if contrast.kind == "seam"]
    assert seams == ["hard", "cross-faded"]
    place = findings["place-FAKE"]
    assert place.details["title"] == "Hiding the border"
    assert {contrast.kind for contrast in place.contrasts} == {"control", "fill"}


def test_the_strength_that_certainly_flips_most_beyond_its_strongest_control_answers(found):
    planted = {"lowpass_12": 0.3, "lowpass_8": 0.9, "lowpass_pattern_8": 0.8}
    assert found(planted)["detail-FAKE"].details["strength"].startswith("radius 12")
    # noise as large as the sharpening flips as many
    noisy = {"jpeg_30": 0.2, "sharpen_100": 0.4, "sharpen_noise_100": 0.4}
    assert found(noisy)["compression-FAKE"].measure.value == 0.2


@pytest.mark.parametrize("shares, answer", [((0.8, 0.9), "yes"), ((0.8, 0.0), "depends on training")])
def test_other_trainings_are_a_choice_that_stays(shares, answer, cue, tmp_path):
    """Their number is that of the probe which answers in the main run, even where another would answer in theirs."""
    runs = []
    for number, share in enumerate((0.9, *shares)):
        planted = dict.fromkeys(("lowpass_8", "rephase_8", "blur_2"), share)
        if number:
            planted |= dict.fromkeys(("lowpass_12", "rephase_12", "blur_1"), 0.95)
        manifest = {"detector": f"seed-{number}", "set_fingerprint": "same"}
        run = replace(cue, path=tmp_path / str(number), manifest=manifest)
        about = {"study": STUDY.name, "parameters": PARAMETERS, "precision": "bfloat16", **manifest}
        write_study(study_path(run.path, STUDY.name), counted(cue, planted), {**about, "columns": {}}, run)
        runs.append(run)
    main, *others = runs
    path = study_path(main.path, STUDY.name)
    conclude_again(path, main, others)
    for other in others:
        shutil.rmtree(other.path)
    detail = conclude_again(path, main).finding("detail-FAKE")
    trained = [contrast for contrast in detail.choices if contrast.kind == "training"]
    assert [(contrast.value, contrast.measure.value) for contrast in trained] == [
        ("seed-1", shares[0]),
        ("seed-2", shares[1]),
    ]
    assert str(answer_of(detail)) == answer
    with pytest.raises(ContractError, match="on the same images"):
        conclude_again(path, main, [main])
