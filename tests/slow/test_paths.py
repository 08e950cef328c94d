"""Names and archives that try to lead away, or to unpack without end: nothing outside is read, written or shown."""

import os
import re
import shutil
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from core.commands import explain, predict, train
from core.commands import study as studies
from core.homes import ROOT
from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from tests.conftest import jpeg, textured, write_cifake
from tests.core.test_damage import RUN
from tests.dashboard.test_pages import words

pytestmark = pytest.mark.slow

PICTURE = jpeg(textured(1, fine=True, seed=9)[0])
# to a folder beside the home, whatever it is resolved against
AWAY = ("..", "../runs/../../elsewhere/runs")
MEMBERS = (
    "../../../../test/REAL/away.jpg",
    "/test/REAL/away.jpg",
    "C:\\test\\REAL\\away.jpg",
    "test/REAL/../../away.jpg",
    "test/REAL/..",
    "test/REAL/.hidden.jpg",
    "test/REAL/up\\..\\..\\away.jpg",
    "test/REAL/a\0/../../away.jpg",
    "test/REAL/line\nend\x1b[2J.jpg",
    "test/REAL/" + "long" * 2000 + ".jpg",
    "test/NEITHER/away.jpg",
)


def everything(folder):
    """All that lies below a folder but for caches."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "cache" not in path.parts}


@pytest.fixture
def archive(tmp_path):
    """A sound .zip of an image set."""
    folder = write_cifake(tmp_path / "set", train=2, test=4)
    return Path(shutil.make_archive(str(tmp_path / "made"), "zip", folder))


def put(archive, name, data=PICTURE, *, mode=0, packed=zipfile.ZIP_STORED):
    """Add a member of exactly that name."""
    info = zipfile.ZipInfo("placeholder")
    # the constructor would mend it
    info.filename, info.compress_type, info.create_system, info.external_attr = name, packed, 3, mode << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(info, data)


def refusal(data):
    """The sentence with which an image set is refused."""
    with pytest.raises(DatasetError) as caught:
        load_image_set(data, "test")
    assert re.fullmatch(r"[^\n\x1b]+", str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("name", MEMBERS)
def test_no_name_in_an_archive_is_a_path(archive, tmp_path, name):
    put(archive, name)
    before = everything(tmp_path)
    images = load_image_set(archive, "test")
    assert len(images) - 8 in (0, 1)
    # what is taken is taken by its bytes, under a name that a set's own files have
    assert images.rows["name"].str.fullmatch(r"(REAL|FAKE)/[^./][^/]*", flags=re.DOTALL).all()
    assert everything(tmp_path) == before
    # and of one that is no image, the name does nothing in the sentence
    if len(images) == 9:
        put(archive, name.replace("jpg", "jpeg"), b"no image")
        assert "test/REAL/" in refusal(archive)


@pytest.mark.parametrize(
    "packed, size", [(zipfile.ZIP_DEFLATED, 1000), (zipfile.ZIP_DEFLATED, 2**32 - 2), (zipfile.ZIP_LZMA, 1000)]
)
def test_a_member_that_lies_about_its_size_is_not_unpacked(archive, packed, size):
    put(archive, "test/REAL/bomb.jpg", bytes(30_000_000), packed=packed)
    data = bytearray(archive.read_bytes())
    # the size in its entry of the directory
    at = data.rindex(b"test/REAL/bomb.jpg") - 46 + 24
    data[at : at + 4] = struct.pack("<I", size)
    archive.write_bytes(data)
    tracemalloc.start()
    assert "test/REAL/bomb.jpg: " in refusal(archive)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_links_and_pipes(archive, tmp_path):
    secret = tmp_path / "secret.jpg"
    real = tmp_path / "set" / "test" / "REAL"
    secret.write_bytes(PICTURE)
    put(archive, "test/REAL/link.jpg", str(secret).encode(), mode=stat.S_IFLNK | 0o777)
    assert "test/REAL/link.jpg: The file is not an image" in refusal(archive)
    secret.unlink()
    (real / "loop.jpg").symlink_to(real / "loop.jpg")
    (real / "up.jpg").symlink_to(tmp_path)
    os.mkfifo(real / "pipe.jpg")
    assert len(load_image_set(tmp_path / "set", "test")) == 8
    secret.write_text("the secret")
    (real / "secret.jpg").symlink_to(secret)
    sentence = refusal(tmp_path / "set")
    assert "test/REAL/secret.jpg: The file is not an image" in sentence
    assert "the secret" not in sentence


@pytest.fixture
def elsewhere(home):
    """The way from the home's runs to a sound run beside it, which nothing that a visitor writes may lead to."""
    shutil.copytree(home, home.parent / "elsewhere")
    (home.parent / "elsewhere" / "runs" / RUN).rename(home.parent / "elsewhere" / "runs" / "secret")
    way = "../../elsewhere/runs/secret"
    assert (home / "runs" / way / "manifest.json").is_file()
    return way


@pytest.mark.parametrize("form", ["{way}", "{whole}", f"{RUN}/../{{way}}", "{encoded}", "{way}\0"])
def test_no_run_or_study_in_an_address_is_a_path(open_page, home, elsewhere, form):
    encoded = elsewhere.replace("/", "%2f").replace(".", "%2e")
    run = form.format(way=elsewhere, whole=home.parent / "elsewhere" / "runs" / "secret", encoded=encoded)
    study = f"../../{run}/studies/brightness.margin"
    for asked in ({"run": run, "id": "../../x", "beside": run}, {"run": RUN, "also": study, "sort": study}):
        app = open_page("mistakes", **asked)
        assert not app.error
        assert app.session_state["run"] in (RUN, "other@made-test")
        shown = words(app)
        assert "secret" not in shown.replace(run, "")
        assert str(home.parent) not in shown


COMMANDS = {
    "train": (
        train.main,
        ["--data", "sample", "--epochs", "1", "--out", "{out}", "--name", "{name}"],
        "a detector cannot be named",
    ),
    "predict": (predict.main, ["{name}", "--data", "sample", "--out", "{out}"], "there is no detector"),
    "study of a run": (studies.main, ["probes", "--run", "{name}"], "there is no run"),
    "explain": (explain.main, ["{image}", "--detector", "{name}", "--out", "{out}"], "there is no detector"),
}


@pytest.mark.parametrize("name", AWAY)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_in_a_command_is_a_path_to_what_is_none(command, name, home, tmp_path, capsys):
    main, arguments, said = COMMANDS[command]
    out = tmp_path / "out"
    image = tmp_path / "image.jpg"
    image.write_bytes(PICTURE)
    before = everything(tmp_path)
    given = {"out": out, "name": name, "image": image}
    assert main([argument.format(**given) for argument in arguments]) == 2
    sentence = capsys.readouterr().err.strip()
    assert said in sentence
    assert "\n" not in sentence
    assert everything(tmp_path) == before
    assert not (ROOT / "runs" / name / "manifest.json").exists()
