"""Flips of one image and of many: counted beyond their controls, the smallest first, and what fine detail decides."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.perturbations.flips import (
    NOTHING,
    OF_ANY,
    OF_GENERATED,
    controlled_flips,
    flip_values,
    flipping,
    reason,
    short_margins,
    short_sizes,
    summarise_flips,
    tabulate_changes,
)
from core.perturbations.probe import size_column
from core.perturbations.registry import probe_columns

COLUMNS = list(probe_columns())
# what a conclusion may rest on: no control, no changed donor
OWN = {column: probe for column, (probe, _) in probe_columns().items() if not (probe.is_control or probe.key == "lend")}


def controls_of(column):
    probe, strength = probe_columns()[column]
    return [f"{key}_{strength.key}" for key in probe.controls]


def is_clean(flipped, column):
    """A change flips the verdict, none of its controls does, and one of them, if it has any, could be made."""
    controls = [flipped[control] for control in controls_of(column)]
    return flipped[column] is True and True not in controls and (False in controls or not controls)


def is_decided(flipped):
    """Fine detail decides the verdict, both ways, beyond some radius."""
    return any(
        flipped[f"lend_{radius}"]
        and flipped[column]
        and {flipped[control] for control in controls_of(column)} == {False}
        for radius in (12, 10, 8)
        for column in (f"lowpass_{radius}", f"transplant_{radius}")
    )


@pytest.mark.parametrize("called_real", [True, False])
def test_flips_are_those_found_change_by_change(*, called_real):
    generator, n = np.random.default_rng(0), 32
    # from images that hardly anything flips to those that half of all does; some changes could not be made
    flip = generator.random((n, len(COLUMNS))) < np.linspace(0, 0.5, n)[:, None]
    flip[4:12, [COLUMNS.index(f"{key}_{radius}") for key in ("lend", "transplant") for radius in (10, 8)]] = True
    flip[4:12, [COLUMNS.index("lowpass_8")]] = True
    # and one whose control flips it, too
    flip[1], flip[1, [COLUMNS.index(f"{key}_8") for key in ("lowpass", "lowpass_control")]] = False, True
    values = np.where(flip == [column.startswith("lend") for column in COLUMNS], 1.0, -1.0) * (1 if called_real else -1)
    # a margin of 0 is FAKE
    values[(values < 0) & (generator.random(flip.shape) < 0.3)] = 0
    values[2:][generator.random((n - 2, len(COLUMNS))) < 0.05] = np.nan
    margins, sizes = (
        pd.DataFrame(table, columns=COLUMNS) for table in (values, generator.uniform(0.5, 30, flip.shape))
    )
    summary = summarise_flips(margins, sizes.rename(columns=size_column), np.full(n, called_real))
    flags = controlled_flips(pd.DataFrame({c: flip_values(margins[c], np.full(n, called_real), c) for c in COLUMNS}))
    for row in range(n):
        missing = np.isnan(values[row])
        flipped = {
            name: None if lost else bool(yes) for name, lost, yes in zip(COLUMNS, missing, flip[row], strict=True)
        }
        rounded = {name: float(f"{size:.1e}") for name, size in sizes.iloc[row].items()}
        assert flags.iloc[row].to_dict() == {name: is_clean(flipped, name) for name in flags}
        clean = sorted(filter(partial(is_clean, flipped), OWN), key=rounded.__getitem__)
        probe, step = probe_columns()[clean[0]] if clean else (None, None)
        removed = [int(name.removeprefix("lowpass_")) for name in OWN if name[:8] == "lowpass_" and flipped[name]]
        found = summary.iloc[row].where(summary.iloc[row].notna(), None)
        assert found["smallest_flip"] == (
            f"{probe.title}, {step.waves or step.at_any_side}" if probe and step else None
        )
        assert found["smallest_flip_probe"] == (probe.key if probe else None)
        assert found["smallest_flip_size"] == (np.float16(rounded[clean[0]]) if clean else None)
        assert found["detail_radius"] == max(removed, default=None)
        assert found["flipping_families_count"] == len({OWN[name].family for name in clean})
        assert found["is_detail_decisive"] == is_decided(flipped)
        # the same for one image alone, whose margin of 0 is FAKE
        margin = 0.7 if called_real else 0.0
        changes = tabulate_changes(dict(margins.iloc[row]), dict(sizes.iloc[row]), margin, temperature=2.0)
        assert changes.index.tolist() == ["", *COLUMNS]
        assert (changes["flips"].iloc[0], changes["size"].iloc[0], changes["margin"].iloc[0]) == (0, 0, margin)
        own = changes.iloc[1:]
        assert_array_equal(own["flips"], np.where(missing, np.nan, flip[row]))
        assert_array_equal(own["controlled"], [name in flags and flags[name][row] for name in COLUMNS])
        assert_allclose(own["size"], list(rounded.values()), rtol=1e-6)
        assert_allclose(changes["p_real"], 1 / (1 + np.exp(-changes["margin"] / 2)))
        ranked = [name for name in clean if controls_of(name)] + [name for name in clean if not controls_of(name)]
        assert flipping(changes).index.tolist() == ranked


def test_margins_are_shortened_to_less_than_half_a_percent_and_keep_their_sign():
    margins = np.random.default_rng(0).normal(0, 3, 10000).astype(np.float32)
    short = short_margins(margins).astype(np.float64)
    assert_allclose(short, margins, rtol=0.0045, atol=1e-6)
    assert_array_equal(short > 0, margins > 0)
    assert set(short_margins(margins).view(np.uint16) & 7) == {0}
    tiny = np.array([1e-7, -1e-7, 1e-30, -1e-30, 0], np.float32)
    assert_array_equal(np.sign(short_margins(tiny)), [1, -1, 1, -1, 0])
    assert np.isnan(short_margins(np.array([np.nan], np.float32))).all()


def test_sizes_are_shortened_to_two_digits():
    sizes = np.array([0.0, 0.01234, 0.995, 1.05001, 9.99, 45.6, 123.4], np.float32)
    assert_allclose(short_sizes(sizes), [0, 0.012, 1.0, 1.1, 10, 46, 120], rtol=1e-6)
    assert short_sizes(sizes).dtype == np.float32


@pytest.mark.parametrize("margin, verdict", [(2.0, "REAL"), (-2.0, "FAKE")])
def test_a_reason_says_what_a_verdict_comes_to_on_such_an_image(margin, verdict):
    margins = dict.fromkeys(COLUMNS, margin) | {"lowpass_8": -margin}
    changes = tabulate_changes(margins, dict.fromkeys(COLUMNS, 3.0), margin)
    assert list(flipping(changes).index) == ["lowpass_8"]
    own = {"FAKE": "is one thing", "REAL": "is another"}
    assert OF_ANY[verdict] in reason(changes, side=32)
    assert OF_GENERATED[verdict] in reason(changes, side=32, label="FAKE", says=own)
    for label in ("REAL", None):
        words = reason(changes, side=32, label=label, says=own)
        assert words == f"It {own[verdict]}, until its detail under 4 pixels is removed."
    assert reason(changes.assign(controlled=False), side=32) == NOTHING
    margins |= {"lowpass_8": margin, "blur_2": -margin}
    blurred = tabulate_changes(margins, dict.fromkeys(COLUMNS, 3.0), margin)
    assert reason(blurred, side=32).endswith("until it is blurred by 2 pixels.")
