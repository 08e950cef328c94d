"""Pipes, devices, files without end and names that are no text: one sentence each, and nothing else is harmed."""

import json
import os
import shutil
import signal
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core import explain, storage
from core.detectors.identity import identify
from core.detectors.storage import load_detector
from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.images.out_of_distribution import OutOfDistributionError, read_generators
from core.images.preprocessing import Preprocessing
from core.runs.folders import find_detectors, find_runs, misnamed
from core.runs.run import read_run
from core.runs.tags import TagError, Tags
from core.storage import (
    MANIFEST,
    UnfitFileError,
    glance_at_folder,
    open_file,
    read_array,
    read_bytes,
    read_folder,
    read_manifest,
)
from core.studies.columns import read_embedding, study_columns
from core.studies.store import find_studies, read_study, study_path
from dashboard import catalogue
from tests.conftest import jpeg, textured, write_cifake
from tests.dashboard.conftest import PAGES, Open
from tests.dashboard.test_pages import words
from tests.hostile import damage as d
from tests.hostile.test_files import DETECTOR, RUN, refusal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="neither pipes nor devices in folders")
STUDY = "studies/brightness.parquet"
# nothing here computes; what takes this long waits for a pipe, or reads without end
PATIENCE = 120


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    def fail(*_: object) -> None:
        raise TimeoutError("a reader waits for something that will not come")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(file: Path) -> None:
    """A pipe that nobody writes to."""
    file.unlink()
    os.mkfifo(file)


def device(file: Path) -> None:
    """A link to a device that never ends."""
    file.unlink()
    file.symlink_to("/dev/zero")


def endless(file: Path) -> None:
    """A file of 500 GB that takes no room."""
    with file.open("r+b") as opened:
        opened.truncate(500 * 2**30)


def circle(file: Path) -> None:
    """A link to itself."""
    file.unlink()
    file.symlink_to(file)


UNFIT: dict[str, d.Damage] = {"pipe": pipe, "device": device, "endless": endless, "circle": circle}
READERS: dict[str, Callable[[Path], object]] = {
    f"runs/{RUN}/{MANIFEST}": lambda file: read_run(file.parent),
    f"runs/{RUN}/predictions.parquet": lambda file: read_run(file.parent),
    f"runs/{RUN}/maps.npy": lambda file: read_run(file.parent),
    f"runs/{RUN}/images.npy": lambda file: read_run(file.parent),
    f"runs/{RUN}/{STUDY}": read_study,
    f"detectors/{DETECTOR}/{MANIFEST}": lambda file: load_detector(file.parent, device="cpu"),
    f"detectors/{DETECTOR}/weights.safetensors": lambda file: load_detector(file.parent, device="cpu"),
    f"detectors/{DETECTOR}/README.md": lambda file: load_detector(file.parent, device="cpu"),
}


@pytest.mark.parametrize("how", UNFIT)
@pytest.mark.parametrize("file", READERS)
def test_what_is_no_file_is_named_and_not_opened(home: Path, file: str, how: str) -> None:
    UNFIT[how](home / file)
    tracemalloc.start()
    assert str(home / file) in refusal(lambda: READERS[file](home / file))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    if file.startswith("detectors") and not file.endswith("README.md"):
        assert str(home / file) in refusal(lambda: identify((home / file).parent))
    # the sealed folder says so before anything in it is read
    if not file.endswith(STUDY):
        kind = file.partition("s/")[0]
        assert str(home / file) in refusal(lambda: glance_at_folder((home / file).parent, kind))


@pytest.mark.parametrize("how", UNFIT)
def test_where_a_damaged_study_costs_its_columns_this_one_does_too(home: Path, how: str) -> None:
    run = read_run(home / "runs" / RUN)
    shutil.copy(run.path / STUDY, study_path(run.path, "clusters"))
    for name in ("brightness", "clusters"):
        UNFIT[how](study_path(run.path, name))
    assert study_columns(run.path) == {}
    assert read_embedding(run.path, run.predictions["id"]).empty
    found = find_studies(run)
    assert found.answers == {}
    for name, problem in zip(("brightness", "clusters"), found.problems, strict=True):
        assert str(study_path(run.path, name)) in problem


def open_handles() -> int:
    """How many files this process holds open, where the system says so."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def test_only_regular_files_below_their_limit_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"12345")
    assert read_bytes(file, limit=5) == b"12345"
    with pytest.raises(UnfitFileError, match=r"a\.json cannot be read: it has 1 MB, and at most 1 MB of such a file"):
        open_file(file, limit=4)
    monkeypatch.setitem(storage.LIMITS, ".json", 4)
    with pytest.raises(UnfitFileError):
        read_bytes(file)
    with pytest.raises(UnfitFileError, match="it is no regular file"):
        open_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.npy")
    for mapped in (False, True):
        with pytest.raises(UnfitFileError):
            read_array(tmp_path / "pipe.npy", mapped=mapped)
    handles = open_handles()
    for _ in range(20):
        with pytest.raises(UnfitFileError):
            open_file(file)
    assert open_handles() == handles


def test_what_is_exchanged_for_a_pipe_at_the_last_moment_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, pipe_ = tmp_path / "a.json", tmp_path / "pipe"
    file.write_bytes(b"{}")
    os.mkfifo(pipe_)
    genuine = os.open
    monkeypatch.setattr(storage.os, "open", lambda _path, flags: genuine(pipe_, flags))
    with pytest.raises(UnfitFileError, match="it is no regular file"):
        open_file(file)


SURROGATES: dict[str, Callable[[Path], object]] = {
    "a set's name": lambda home: d.reseal(home / "runs" / RUN, set="made\ud800-test"),
    "a version": lambda home: d.reseal(home / "runs" / RUN, versions={"torch": "\udfff"}),
    "a skipped file": lambda home: d.reseal(home / "runs" / RUN, skipped=["\udc80.jpg: no image"]),
    "a key": lambda home: d.reseal(home / "runs" / RUN, **{"more\ud800": 1}),
    "a recipe": lambda home: d.reseal(home / "detectors" / DETECTOR, recipe={"name": "\ud800"}),
    "a training set": lambda home: d.reseal(home / "detectors" / DETECTOR, training_set="\ud800"),
}


@pytest.mark.parametrize("what", SURROGATES)
def test_half_a_letter_in_a_manifest_is_refused(home: Path, what: str) -> None:
    SURROGATES[what](home)
    kind = "detector" if what in ("a recipe", "a training set") else "run"
    folder = home / f"{kind}s" / (DETECTOR if kind == "detector" else RUN)
    assert "is not readable JSON" in refusal(lambda: read_manifest(folder, kind))
    # also where it is no escape, which a lenient decoder would let pass
    (folder / MANIFEST).write_bytes(b'{"set": "\xed\xa0\x80"}')
    assert "is not readable JSON" in refusal(lambda: read_folder(folder, kind))
    (folder / MANIFEST).write_text('{"set": "made-test"}', encoding="utf-16")
    assert "is not readable JSON" in refusal(lambda: read_folder(folder, kind))


def test_whole_letters_of_every_script_are_not(home: Path) -> None:
    folder = home / "runs" / RUN
    d.reseal(folder, set="\N{SMILING FACE WITH SUNGLASSES} Ελληνικά 日本語")
    assert "\\ud83d" in (folder / MANIFEST).read_text()
    assert read_run(folder).manifest["set"].startswith("\N{SMILING FACE WITH SUNGLASSES}")


def with_half_a_letter(file: Path) -> None:
    """Put a lone surrogate in a study's title."""
    table = pq.read_table(file)
    about = json.loads(table.schema.metadata[b"telltale"])
    about["title"] = "half \ud800"
    metadata = {**table.schema.metadata, b"telltale": json.dumps(about).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), file)


def test_half_a_letter_in_a_study_is_refused(home: Path) -> None:
    file = home / "runs" / RUN / STUDY
    with_half_a_letter(file)
    assert str(file) in refusal(lambda: read_study(file))
    assert study_columns(home / "runs" / RUN) == {}


def bad_name(folder: Path, name: bytes) -> Path:
    """A path in a folder by its bytes, which are no text."""
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


@pytest.fixture
def crowded(home: Path) -> Path:
    """A home where a sound run and a sound detector stand among everything that must not harm them."""
    runs, detectors = home / "runs", home / "detectors"
    for how, make in UNFIT.items():
        shutil.copytree(detectors / DETECTOR, detectors / f"a {how}")
        make(detectors / f"a {how}" / MANIFEST)
        for name in (MANIFEST, "predictions.parquet"):
            shutil.copytree(runs / RUN, runs / f"a {how} of {name}@made-test")
            make(runs / f"a {how} of {name}@made-test" / name)
    shutil.copytree(detectors / DETECTOR, bad_name(detectors, b"a bad\xff"))
    shutil.copytree(runs / RUN, bad_name(runs, b"a bad\xff@made-test"))
    shutil.copytree(runs / RUN, runs / "a half@made-test")
    d.reseal(runs / "a half@made-test", created="\ud800")
    # what is wrong with the studies of a run is said on its pages
    shutil.copy(runs / RUN / STUDY, bad_name(runs / RUN / "studies", b"bad\xff.parquet"))
    os.mkfifo(runs / RUN / "studies" / "pipe.parquet")
    with_half_a_letter(Path(shutil.copy(runs / RUN / STUDY, runs / RUN / "studies" / "half.parquet")))
    return home


def test_names_that_are_no_text_are_found_by_nobody(crowded: Path) -> None:
    for found, kind in ((find_runs((crowded,)), "run"), (find_detectors((crowded,)), "detector")):
        assert all(name.isprintable() for name in found)
        (sentence,) = misnamed((crowded,), kind).values()
        assert sentence.isprintable()
        assert "a bad\N{REPLACEMENT CHARACTER}" in sentence
        assert sentence.endswith("has a name that cannot be shown; rename the folder")


@pytest.mark.parametrize("page", PAGES)
def test_no_bad_folder_harms_a_page(crowded: Path, open_page: Open, page: str) -> None:
    app = open_page(page, run=RUN)
    assert not app.exception
    assert app.session_state["run"] == RUN
    shown = words(app)
    refused = catalogue.refused_runs()
    # a manifest and a table of each kind, half a letter and a name
    assert len(refused) == 2 * len(UNFIT) + 2
    for name, sentence in refused.items():
        assert shown.count(sentence) == 1, name
    (run,) = (box for box in app.sidebar.selectbox if box.label == "Run")
    usable = [option for option in run.options if "cannot be opened" not in option]
    assert usable == ["other on made-test", RUN.replace("@", " on ")]
    if page == "upload":
        (by,) = (box for box in app.selectbox if box.label == "Detector")
        assert by.options == ["other", DETECTOR]
        assert all(sentence in shown for sentence in catalogue.refused_detectors().values())


def test_none_of_them_is_what_a_visitor_sees_first(crowded: Path, open_page: Open) -> None:
    shutil.rmtree(crowded / "runs" / "other@made-test")
    # only its manifest is whole, and it has the most images
    folder = crowded / "runs" / "a pipe of predictions.parquet@made-test"
    d.reseal(folder, images=1000)
    app = open_page("overview")
    assert app.session_state["run"] == RUN
    app = open_page("overview", run=folder.name)
    assert [title.value for title in app.title] == ["This run cannot be read"]
    assert not app.exception


def test_a_folder_of_images(tmp_path: Path) -> None:
    folder = write_cifake(tmp_path / "set", train=2, test=4)
    real = folder / "test" / "REAL"
    endless(Path(shutil.copy(real / "0000.jpg", real / "9999.jpg")))
    (real / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(real / "pipe.jpg")
    with pytest.raises(
        DatasetError, match=r"1 file is not a 32 x 32 image: test/REAL/9999\.jpg: has 536870912000 bytes"
    ):
        load_image_set(folder, "test")
    assert len(load_image_set(folder, "test", skip_bad=True)) == 8
    for number, make in enumerate((pipe, device)):
        file = tmp_path / f"{number}.zip"
        file.touch()
        make(file)
        with pytest.raises(DatasetError, match="it is no regular file"):
            load_image_set(file, "test")
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("test/REAL/0.jpg", b"")
    endless(tmp_path / "large.zip")
    with pytest.raises(DatasetError, match="at most 65,536 MB"):
        load_image_set(tmp_path / "large.zip", "test")


def test_pictures_of_other_generators(tmp_path: Path) -> None:
    picture = jpeg(textured(1, fine=True, seed=1)[0])
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "0.jpg").write_bytes(picture)
    endless(Path(shutil.copy(tmp_path / "one" / "0.jpg", tmp_path / "one" / "1.jpg")))
    os.mkfifo(tmp_path / "one" / "2.jpg")
    (found,) = read_generators(tmp_path, Preprocessing(32))
    assert (len(found), found.skipped) == (1, 1)
    os.mkfifo(tmp_path / "two.tar.xz")
    with pytest.raises(OutOfDistributionError, match="it is no regular file"):
        read_generators(tmp_path, Preprocessing(32))


@pytest.mark.parametrize("how", UNFIT)
def test_an_image_to_explain(tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "image.jpg"
    file.write_bytes(jpeg(textured(1, fine=True, seed=1)[0]))
    UNFIT[how](file)
    assert explain.main([str(file), "--out", str(tmp_path / "out")]) == 2
    assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize("how", ["pipe", "device"])
def test_a_tag_database(tmp_path: Path, how: str) -> None:
    file = tmp_path / "tags.sqlite"
    file.touch()
    UNFIT[how](file)
    tags = Tags(file)
    assert tags.names() == []
    assert tags.problem
    with pytest.raises(TagError):
        tags.add(["a"], "b")
