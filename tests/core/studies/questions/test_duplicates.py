"""Copies, near copies and compressions of made sets, against a search by brute force."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from core.images.decoding import decode
from core.images.encoding import encode_png
from core.studies.questions import files as compressions
from core.studies.questions.duplicates import (
    COUNTED,
    FILE,
    NEAR,
    NONE,
    SHOWN,
    STUDY,
    UNKNOWN_COPY,
    copy_pairs,
    nearest_copies,
    training_pictures,
)
from core.studies.study import WEIGHT
from tests.core.studies.image_sets import brighter, first, made_context, made_files, result_of


def counted(result):
    """Column and kind of copy -> how many, those that are there."""
    counts = {
        COUNTED[finding.key]: finding.details.get("count") for finding in result.findings if finding.key in COUNTED
    }
    return {" ".join(key): count for key, count in counts.items() if count}


def test_each_copy_has_its_kind_class_and_nearest_file(tmp_path):
    files = made_files()
    copied = {("REAL", 0): ("FAKE", 0), ("FAKE", 3): ("FAKE", 8), ("REAL", 4): ("REAL", 9), ("FAKE", 5): ("REAL", 10)}
    made_by = (bytes, lambda data: encode_png(decode(data)), brighter, brighter)
    wanted = ((FILE, "other"), (SHOWN, "same"), (NEAR, "same"), (NEAR, "other"))
    names = {
        first(files, f"test/{own[0]}", own[1]): first(files, f"train/{of[0]}", of[1]) for own, of in copied.items()
    }
    for (name, of), make in zip(names.items(), made_by, strict=True):
        files[name] = make(files[of])
    files[first(files, "test/REAL", 2)] = files[first(files, "test/REAL", 1)]
    files[first(files, "test/REAL", 31)] = brighter(files[first(files, "test/REAL", 30)])
    context = made_context(tmp_path, files)
    result = result_of(STUDY, context)
    assert counted(result) == {
        "training same file": 1, "training same pixels": 1, "training near copy": 2, "set same file": 2,
        "set near copy": 2,
    }  # fmt: skip
    table = result.table.set_index("test/" + context.run.predictions["name"])
    for (name, of), kind in zip(names.items(), wanted, strict=True):
        identity = f"train-{hashlib.sha256(files[of]).hexdigest()[:16]}"
        row = table.loc[name, ["training_kind", "training_class", "training_name", "training_id"]]
        assert row.tolist() == [*kind, of.removeprefix("train/"), identity]
        assert 0 <= table.loc[name, "training_bits"] <= (8 if kind[0] == NEAR else 0)
    leaks = result.finding("leak.file")
    assert leaks.measure.value == pytest.approx(1 / 320)
    assert [leaks.details[name] for name in ("real", "fake", "other_class")] == [1, 0, 1]
    # pairs to look at: each once, those of the other class first
    assert copy_pairs(result.table, "training")["class"].tolist() == ["other", "same", "same"]
    assert len(copy_pairs(result.table, "set")) == 1


def brute_force(images, pairs, among):
    """Kind, class and id of each image's nearest copy."""
    real, ids, shown, file = (images[name].tolist() for name in ("is_real", "id", "shown", "file"))
    result = []
    for own in np.flatnonzero(images["is_own"]).tolist():
        others = [other for other in np.flatnonzero(among).tolist() if other != own]
        same = [other for other in others if shown[other] == shown[own]]
        equal = [other for other in others if file[other] == file[own]]
        near = [
            (bits, -correlation, other)
            for left, right, bits, correlation in pairs.itertuples(index=False)
            for other in others
            if {left, right} == {shown[own], shown[other]}
        ]
        copies = equal or same or ([min(near)[2]] if near else [])
        kind = FILE if equal else SHOWN if same else NEAR if near else NONE
        mixed = any(real[other] != real[own] for other in (same or copies))
        name = ("other" if mixed else "same") if copies else None
        result.append((kind, name, ids[copies[0]] if copies else None))
    return result


@pytest.mark.parametrize("seed", range(12))
def test_nearest_copies_are_those_of_a_search_by_brute_force(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(6, 40))
    shown = pd.factorize(generator.integers(0, n, n))[0]
    file = pd.factorize(3 * shown + generator.integers(0, 2, n))[0]
    left, right = np.triu_indices(shown.max() + 1, 1)
    chosen = generator.random(len(left)) < 0.1
    bits = generator.integers(0, 9, chosen.sum())
    scores = generator.random(chosen.sum())
    pairs = pd.DataFrame({"left": left[chosen], "right": right[chosen], "bits": bits, "correlation": scores})
    images = pd.DataFrame({"id": np.arange(n).astype(str), "name": "x", "is_real": generator.random(n) < 0.5})
    images = images.assign(is_own=np.arange(n) < n // 2, file=file, shown=shown)
    for among in (np.arange(n) < n // 2, np.arange(n) >= n // 2):
        found = nearest_copies(images, pairs, among)
        rows = found[["kind", "class", "id"]].astype(object).where(found[["kind", "class", "id"]].notna(), None)
        assert list(rows.itertuples(index=False, name=None)) == brute_force(images, pairs, among)


def test_where_files_are_not_available_copies_are_unknown(tmp_path):
    files = made_files()
    files[first(files, "test/REAL", 0)] = files[first(files, "train/REAL", 7)]
    context = made_context(tmp_path, files, data=False)
    result = result_of(STUDY, context)
    assert (result.table["training_kind"] == UNKNOWN_COPY).sum() == 319
    # the run itself remembers which files were trained on, though not of which class they were
    assert counted(result) == {"training same file": 1}
    unknown = {finding.key for finding in result.findings if not finding.measure.known}
    assert unknown == {"leak.pixels", "leak.near", "unchecked"}
    assert [finding.key for finding in result_of(compressions.STUDY, context).findings] == ["unknown"]
    context.run.manifest["leaks_checked"] = False
    unknown = {finding.key for finding in result_of(STUDY, context).findings if not finding.measure.known}
    assert unknown == {"leak.file", "leak.pixels", "leak.near", "unchecked"}


def test_compressions_are_listed_by_image_and_counted_by_weight(tmp_path):
    context = made_context(tmp_path, made_files(quality=80))
    real = (context.run.predictions["label"] == "REAL").to_numpy()
    found = result_of(compressions.STUDY, context).table["compression"]
    assert (found == np.where(real, "JPEG quality 90, 4:2:0", "JPEG quality 80, 4:2:0")).all()
    names = [f"JPEG quality {quality}, 4:2:0" for quality in (70, 75, 80, 85, 90, 95)]
    rows = np.arange(6, 0, -1)
    images = np.arange(10, 70, 10)
    table = pd.DataFrame({"compression": np.repeat(names, rows), WEIGHT: np.repeat(images / rows, rows)})
    findings = list(compressions.STUDY.conclude(None, table, {}))
    assert [finding.details["name"] for finding in findings] == names[::-1][:5]
    assert [finding.measure.value for finding in findings] == pytest.approx([n / 210 for n in (60, 50, 40, 30, 20)])


def test_a_training_picture_is_shown_under_its_own_hash_alone(cifake):
    file = next((cifake / "train" / "REAL").iterdir())
    identity = f"train-{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
    name = f"REAL/{file.name}"
    wanted = {identity: name, f"{identity}~1": name, "train-0": "REAL/none.jpg"}
    pictures = training_pictures(str(cifake), wanted)
    assert set(pictures) == {identity, f"{identity}~1"}
    np.testing.assert_array_equal(pictures[identity], decode(file.read_bytes()))
    file.write_bytes(next((cifake / "train" / "FAKE").iterdir()).read_bytes())
    assert training_pictures(str(cifake), {identity: name}) == {}
    assert training_pictures(str(cifake / "nowhere"), wanted) == {}
