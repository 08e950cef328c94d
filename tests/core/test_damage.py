"""Every file of detectors, runs and studies, damaged in every way: one sentence that names it, and nothing executed."""

import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing
from core.runs.run import read_run
from core.storage import MANIFEST, ContractError
from core.studies.store import read_study
from tests import damage as d
from tests.home import make_home

RUN, DETECTOR = "tiny@made-test", "tiny"
FILES = (
    *(f"detectors/{DETECTOR}/{name}" for name in (MANIFEST, "weights.safetensors", "README.md")),
    *(f"runs/{RUN}/{name}" for name in (MANIFEST, "predictions.parquet", "maps.npy", "features.npy", "images.npy")),
    f"runs/{RUN}/studies/brightness.parquet",
)
DAMAGES: dict[str, d.Damage] = {
    "emptied": d.replace_by(b""),
    "half": d.cut(0.5),
    "first bit": d.flip(0),
    "bit in the middle": d.flip(0.5, 3),
    "a byte more": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    "a folder": d.make_folder,
    "noise": d.replace_by(np.random.default_rng(0).bytes(4096)),
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make_home` makes."""
    home = tmp_path_factory.mktemp("pristine")
    make_home(home, tmp_path_factory.mktemp("pristine-cache"))
    return home


@pytest.fixture
def home(pristine: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "home"))


def read_all(home: Path) -> None:
    """Read detector, run and study, as the app does."""
    load_detector(home / "detectors" / DETECTOR, device="cpu")
    run = read_run(home / "runs" / RUN)
    read_study(run.path / "studies" / "brightness.parquet", run)


def refusal(read: Callable[[], object]) -> str:
    """The sentence that a reader refuses with."""
    with pytest.raises(ContractError) as caught:
        read()
    sentence = str(caught.value)
    assert re.fullmatch(r"[^\n]{20,500}", sentence), sentence
    assert "Traceback" not in sentence
    return sentence


def said_of(read: Callable[[], object]) -> str:
    """The sentence that a reader refuses with, "" where it reads."""
    try:
        read()
    except ContractError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_named(pristine: Path, home: Path, file: str, how: str) -> None:
    whole = (home / file).read_bytes()
    DAMAGES[how](home / file)
    if not (home / file).is_dir() and (home / file).read_bytes() == whole:
        return
    if file.endswith("brightness.parquet") and not said_of(lambda: read_all(home)):
        # a study's sha256 is over what it says: a bit of the container that no reader uses may turn, no value may
        assert how.startswith(("first bit", "bit "))
        pd.testing.assert_frame_equal(read_study(home / file).table, read_study(pristine / file).table)
        return
    assert str(home / file) in refusal(lambda: read_all(home))


@pytest.mark.parametrize("file", FILES)
def test_a_pickle_is_not_opened(home: Path, tmp_path: Path, file: str) -> None:
    mark = tmp_path / "executed"
    (home / file).write_bytes(d.pickled(mark))
    assert str(home / file) in refusal(lambda: read_all(home))
    # also where whoever put it there has made the hashes fit
    if not file.endswith((MANIFEST, "README.md", "brightness.parquet")):
        d.reseal((home / file).parent)
        assert str(home / file) in refusal(lambda: read_all(home))
    assert not mark.exists()


# how the detector of this home prepares pictures
SEEN = asdict(Preprocessing(32))
# one network of a joined detector
MEMBER = {"name": "one", "recipe": {}, "weight": 1.0, "val_accuracy": 0.5}
MANIFESTS: dict[str, tuple[str, dict[str, object]]] = {
    "another schema": ("runs", {"schema": 3}),
    "another kind": ("runs", {"kind": "detector"}),
    "no weights": ("detectors", {"files": {}}),
    "metrics are words": ("runs", {"metrics": "good"}),
    "no temperature": ("runs", {"temperature": None}),
    "temperature without end": ("detectors", {"temperature": float("inf")}),
    "a width that would take all memory": ("detectors", {"architecture": {"kind": "resnet", "width": 1024}}),
    "images that would take all memory": ("detectors", {"preprocess": SEEN | {"size": 10**6}}),
    "three classes of two outputs": ("detectors", {"classes": ["FAKE", "REAL", "UNSURE"]}),
    "history of words": ("detectors", {"history": [{"epoch": "one"}]}),
    "a held-out accuracy above 1": ("detectors", {"val_accuracy": 98}),
    "a member that leads away": ("detectors", {"members": [MEMBER | {"name": "../../elsewhere"}]}),
    "a detector that leads away": ("runs", {"detector": "../../elsewhere"}),
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_of_another_form_is_named(home: Path, what: str) -> None:
    kind, values = MANIFESTS[what]
    folder = home / kind / (RUN if kind == "runs" else DETECTOR)
    d.reseal(folder, **values)
    tracemalloc.start()
    assert str(folder) in refusal(lambda: read_all(home))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "..", "", "x\0y", "C:\\x"],
)
def test_a_manifest_leads_nowhere_else(home: Path, name: str) -> None:
    folder = home / "runs" / RUN
    files = json.loads((folder / MANIFEST).read_text())["files"]
    d.reseal(folder, files={**files, name: "0" * 64})
    assert str(folder) in refusal(lambda: read_all(home))


LIES = {
    "exabytes": d.npy("(1000000000000, 4, 4)"),
    "more than a number holds": d.npy("(4611686018427387904, 1099511627776, 4)"),
    "objects": d.npy("(24, 4, 4)", "'|O'"),
    "not numbers": d.npy("(24, 4, 4)", body=b"\xff" * (24 * 32)),
    "a call": d.npy("__import__('os').getpid()"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", ["maps.npy", "features.npy", "images.npy"])
def test_an_array_that_lies_is_named(home: Path, name: str, lie: str) -> None:
    folder = home / "runs" / RUN
    (folder / name).write_bytes(LIES[lie])
    d.reseal(folder)
    if name == "features.npy" and lie == "not numbers":
        # two dimensions are what features have
        return
    assert str(folder / name) in refusal(lambda: read_run(folder))


TENSORS = {
    "a header of exabytes": d.safetensors(b"{}", length=2**60),
    "a tensor of exabytes": d.safetensors(
        {"conv1.weight": {"dtype": "F16", "shape": [10**9, 10**9], "data_offsets": [0, 2 * 10**18]}}
    ),
    "no JSON": d.safetensors(b"cos\nsystem\n(S'true'\ntR."),
    "nested without end": d.safetensors(b'{"a":' * 100_000),
}


@pytest.mark.parametrize("lie", TENSORS)
def test_weights_that_lie_are_named(home: Path, lie: str) -> None:
    folder = home / "detectors" / DETECTOR
    (folder / "weights.safetensors").write_bytes(TENSORS[lie])
    d.reseal(folder)
    assert str(folder / "weights.safetensors") in refusal(lambda: load_detector(folder, device="cpu"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(home: Path, value: float) -> None:
    folder = home / "detectors" / DETECTOR
    network = load_detector(folder, device="cpu").network
    network.get_submodule("layer3.0.conv1").weight.fill_(value)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items() if "tracked" not in name}
    save_file(state, folder / "weights.safetensors")
    d.reseal(folder)
    sentence = refusal(lambda: load_detector(folder, device="cpu"))
    assert "layer3.0.conv1.weight" in sentence
    assert str(folder / "weights.safetensors") in sentence


TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "numbers are words": lambda table: table.assign(margin="high"),
    "a probability of two": lambda table: table.assign(p_real=np.float32(2)),
    "a third class": lambda table: table.assign(label="MAYBE"),
    "no verdict": lambda table: table.assign(predicted=None),
    "lists": lambda table: table.assign(category=[["a"]] * len(table)),
    "a row less": lambda table: table.iloc[1:],
    "no hash": lambda table: table.drop(columns="sha256"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_table_of_another_form_is_named(home: Path, what: str) -> None:
    folder = home / "runs" / RUN
    file = folder / "predictions.parquet"
    TABLES[what](pd.read_parquet(file)).to_parquet(file, index=False)
    d.reseal(folder)
    assert str(file) in refusal(lambda: read_run(folder))


def test_a_table_that_unpacks_to_a_billion_rows_is_not_unpacked(home: Path) -> None:
    folder = home / "runs" / RUN
    file = folder / "predictions.parquet"
    bomb = d.many_rows(20_000_000)
    assert len(bomb) < 2**20
    file.write_bytes(bomb)
    d.reseal(folder)
    assert str(file) in refusal(lambda: read_run(folder))
    # a study of more rows than its run has images is no study of that run
    d.reseal(folder)
    study = folder / "studies" / "brightness.parquet"
    study.write_bytes(bomb)
    assert str(study) in refusal(lambda: read_study(study))


def test_a_type_that_would_be_unpickled_is_not(home: Path, tmp_path: Path) -> None:
    folder, mark = home / "runs" / RUN, tmp_path / "executed"
    file = folder / "predictions.parquet"
    file.write_bytes(d.with_python_type(pd.read_parquet(file), mark))
    d.reseal(folder)
    # read as the plain column that it is, or refused
    sentence = said_of(lambda: read_run(folder))
    assert not sentence or str(file) in sentence
    assert not mark.exists()


NO_FILES: dict[str, d.Damage] = {
    "a pipe that nobody writes to": lambda file: (file.unlink(), os.mkfifo(file)),
    "a device that never ends": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    "500 GB that take no room": lambda file: os.truncate(file, 500 * 2**30),
    "a link to itself": lambda file: (file.unlink(), file.symlink_to(file)),
}


@pytest.mark.parametrize("how", NO_FILES)
@pytest.mark.parametrize("file", FILES)
def test_what_is_no_file_is_named_and_not_opened(home: Path, file: str, how: str) -> None:
    NO_FILES[how](home / file)
    tracemalloc.start()
    assert str(home / file) in refusal(lambda: read_all(home))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("values", [{"set": "made\ud800-test"}, {"more\ud800": 1}])
def test_half_a_letter_in_a_manifest_is_refused(home: Path, values: dict[str, object]) -> None:
    d.reseal(home / "runs" / RUN, **values)
    assert "is not readable JSON" in refusal(lambda: read_all(home))
