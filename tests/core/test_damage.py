"""Every file of detectors, runs and studies, damaged in every way: one sentence that names it, and nothing executed."""

import os
import re
import shutil
import tracemalloc

import pandas as pd
import pytest
import torch
from safetensors.torch import save

from core.detectors.storage import load_detector
from core.runs.run import read_run
from core.storage.limits import MANIFEST, ContractError
from core.studies.store import read_study
from tests import damage as d
from tests.home import make_home

RUN = "tiny@made-test"
DETECTOR = "tiny"
WEIGHTS = f"detectors/{DETECTOR}/weights.safetensors"
TABLE = f"runs/{RUN}/predictions.parquet"
STUDY = f"runs/{RUN}/studies/brightness.parquet"
ARRAYS = tuple(f"runs/{RUN}/{name}.npy" for name in ("maps", "features", "images"))
FILES = (*(f"{of}/{MANIFEST}" for of in (f"detectors/{DETECTOR}", f"runs/{RUN}")), WEIGHTS, TABLE, *ARRAYS, STUDY)
DAMAGES = {
    "emptied": lambda file: file.write_bytes(b""),
    "half": d.cut(0.5),
    "a bit in the middle": d.flip_bit,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe that nobody writes to": lambda file: (file.unlink(), os.mkfifo(file)),
    "a device that never ends": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    "500 GB that take no room": lambda file: os.truncate(file, 500 * 2**30),
    "a link to itself": lambda file: (file.unlink(), file.symlink_to(file)),
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """What `make_home` makes."""
    home = tmp_path_factory.mktemp("pristine")
    make_home(home, tmp_path_factory.mktemp("pristine-cache"))
    return home


@pytest.fixture
def home(pristine, tmp_path):
    """A copy that the test may damage."""
    return shutil.copytree(pristine, tmp_path / "home")


@pytest.fixture
def _little_memory():
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def read_all(home):
    """Read detector, run and study, as the app does."""
    load_detector(home / "detectors" / DETECTOR, device="cpu")
    run = read_run(home / "runs" / RUN)
    read_study(run.path / "studies" / "brightness.parquet", run)


def refusal(read):
    """The sentence that a reader refuses with."""
    with pytest.raises(ContractError) as caught:
        read()
    sentence = str(caught.value)
    # however long the path of the folder is
    assert re.fullmatch(r"[^\n]{20,500}", re.sub(r"/\S+/", "", sentence)), sentence
    return sentence


@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_named(home, file, how):
    if file == STUDY and DAMAGES[how] is d.flip_bit:
        pytest.skip("a bit may turn that no reader uses; tests/core/studies/test_store.py has all others")
    DAMAGES[how](home / file)
    assert str(home / file) in refusal(lambda: read_all(home))


# what nobody wrote by mistake: its folder's hashes are made to fit
FORGED = {
    **{f"a pickle for {file}": (file, d.pickled) for file in (WEIGHTS, TABLE, *ARRAYS)},
    "a call": (ARRAYS[2], lambda _: d.npy("__import__('os').getpid()")),
    "a header of exabytes": (WEIGHTS, lambda _: d.safetensors(b"{}", length=2**60)),
    "a tensor of exabytes": (WEIGHTS, lambda _: d.safetensors(
        b'{"conv1.weight": {"dtype": "F16", "shape": [1000000000, 1000000000], "data_offsets": [0, 2000000000]}}'
    )),
    "another network's weights": (WEIGHTS, lambda _: save({"conv1.weight": torch.zeros(2, 3, 3, 3)})),
    "nested without end": (WEIGHTS, lambda _: d.safetensors(b'{"a":' * 100_000)),
    "a few kilobytes of 20 million rows": (TABLE, lambda _: d.many_rows(20_000_000)),
    "the same text in all rows": (TABLE, lambda _: d.same_text(24_000)),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_file_is_named_and_not_executed(home, tmp_path, what):
    name, forge = FORGED[what]
    file = home / name
    mark = tmp_path / "executed"
    file.write_bytes(forge(mark))
    if file.parent.name != "studies":
        d.reseal(file.parent)
    assert str(file) in refusal(lambda: read_all(home))
    assert not mark.exists()


MEMBER = {"name": "../../elsewhere", "recipe": {}, "weight": 1.0, "val_accuracy": 0.5}
MANIFESTS = {
    "no weights": ("detectors", {"files": {}}),
    "metrics are words": ("runs", {"metrics": "good"}),
    "no temperature": ("runs", {"temperature": None}),
    "a width that would take all memory": ("detectors", {"architecture": {"kind": "resnet", "width": 1024}}),
    "a patch of no such side": ("detectors", {"architecture": {"kind": "patch", "field": 7}}),
    "history of words": ("detectors", {"history": [{"epoch": "one"}]}),
    "a member that leads away": ("detectors", {"members": [MEMBER]}),
    "a detector that leads away": ("runs", {"detector": "../../elsewhere"}),
    "half a letter": ("runs", {"set": "made\ud800-test"}),
}


@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_of_another_form_is_named(home, what):
    kind, values = MANIFESTS[what]
    folder = home / kind / (RUN if kind == "runs" else DETECTOR)
    d.reseal(folder, **values)
    assert str(folder) in refusal(lambda: read_all(home))


def test_a_type_that_would_be_unpickled_is_read_as_the_plain_column(home, tmp_path):
    mark = tmp_path / "executed"
    table = pd.read_parquet(home / TABLE)
    (home / TABLE).write_bytes(d.with_python_type(table, mark))
    d.reseal((home / TABLE).parent)
    assert read_run(home / "runs" / RUN).predictions["margin"].equals(table["margin"])
    assert not mark.exists()
