"""Uploaded files: one is explained, several are a table, and what is no image is a sentence."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.detectors.storage import load_detector, save_detector
from core.findings.numbers import plus
from core.images.decoding import RESAMPLING, decode
from core.images.preprocessing import Location, Preprocessing, prepare_pixels, settle
from core.perturbations.postprocessing import deliver, seeing
from core.runs.run import read_run
from core.studies.judgement import scores, threshold_path, write_threshold
from dashboard import decoding
from dashboard.components.crop import sound_place
from dashboard.components.words import CLASS_WORDS
from tests.conftest import make_detector
from tests.core.studies.test_judgement import threshold
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import grids, settled, words

BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more", "image/png")


def picture(seed: int, height: int = 90, width: int = 120) -> bytes:
    """A PNG of soft stripes."""
    rows, columns = np.indices((height, width))
    pixels = np.stack([rows * seed, columns, (rows + seed * columns)], axis=2) % 256
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    app.file_uploader(key="upload.files").set_value(list(files)).run()
    return settled(app)


def raw_margins(app: AppTest) -> list[str]:
    """The margins under each filter, as *Raw output* shows them."""
    return next(element.value for element in app.table if "p(REAL)" in element.value)["margin"].tolist()


def test_a_threshold_that_cannot_be_read_is_one_sentence(open_page: Open, home: Path) -> None:
    threshold_path(home / "runs" / "tiny@seen-test").parent.mkdir(exist_ok=True)
    threshold_path(home / "runs" / "tiny@seen-test").write_text("{}")
    app = upload(open_page("try_picture", run="tiny@seen-test"), ("stripes.png", picture(3, 32, 32), "image/png"))
    assert not app.exception
    assert "Out of scope" in words(app)
    assert "judgement.json holds no threshold" in words(app)


def test_only_a_picture_of_its_own_size_gets_an_answer(open_page: Open, home: Path) -> None:
    detector = load_detector(home / "detectors" / "tiny")
    name, (height, width) = detector.identity.fingerprint, (32, 32)
    own = picture(3, height, width)
    lowest = float(scores(detector, decode(own)[None])[0])
    path = threshold_path(home / "runs" / "tiny@seen-test")
    path.parent.mkdir(exist_ok=True)
    write_threshold(path, threshold(detector=name, run="tiny@seen-test", margin=min(0.0, lowest + 0.1)))
    files = [("own.png", own, "image/png"), ("large.png", picture(3), "image/png")]
    app = upload(open_page("try_picture", run="tiny@seen-test"), *files)
    assert not app.exception
    expected = "FAKE-like" if lowest < min(0.0, lowest + 0.1) else "Nothing found"
    assert app.dataframe[0].value["answer"].tolist() == [expected, "Out of scope"]
    assert expected.removeprefix("FAKE") in words(app)
    assert "60 of 100 generated" in words(app)


def test_a_picture_is_called_under_every_filter(open_page: Open, home: Path) -> None:
    data = picture(3)
    app = upload(open_page("try_picture", run="tiny@seen-test"), ("stripes.png", data, "image/png"))
    assert not app.exception
    assert not app.error
    ready = prepare_pixels(decode(data), Preprocessing(32))
    margins = load_detector(home / "detectors" / "tiny").margins(ready.pixels)
    table = next(element.value for element in app.table if "p(REAL)" in element.value)
    assert table["margin"].tolist() == [plus(margin) for margin in margins]
    assert table["called"].tolist() == [CLASS_WORDS["REAL" if margin > 0 else "FAKE"] for margin in margins]
    assert "Out of scope" in words(app)
    assert "stripes.png, 120 x 90 pixels" in words(app)


def test_an_example_that_an_address_opens_stands_among_the_others(open_page: Open, home: Path) -> None:
    ids = read_run(home / "runs" / "tiny@seen-test").predictions["id"].tolist()
    usual = {tile["id"] for tile in grids(open_page("try_picture", run="tiny@seen-test"))["upload.samples"]["tiles"]}
    another = next(id_ for id_ in ids if id_ not in usual)
    data = grids(open_page("try_picture", run="tiny@seen-test", sample=another))["upload.samples"]
    shown = {tile["id"] for tile in data["tiles"]}
    assert (data["current"], len(shown), len(shown - usual)) == (another, len(usual), 1)
    assert another in shown


def test_what_is_no_image_is_one_sentence(open_page: Open) -> None:
    app = upload(open_page("try_picture", run="tiny@seen-test"), BROKEN)
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.startswith("broken.png: The file is not an image")


def test_a_failed_look_is_one_sentence_and_can_be_tried_again(open_page: Open, home: Path) -> None:
    # the detector looks whole until it is asked
    card = home / "detectors" / "tiny" / "README.md"
    whole = card.read_bytes()
    card.write_bytes(b"")
    app = upload(open_page("try_picture", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert not app.exception
    # of the verdict and of both explanations
    assert [error.value.startswith("tiny/README.md") for error in app.error] == [True] * 3
    card.write_bytes(whole)
    app.button(key="upload.again").click()
    app = settled(app.run())
    assert any("called" in element.value for element in app.table)
    assert "upload.again" not in [button.key for button in app.button]


@pytest.mark.parametrize(
    ("steps", "sees"),
    [
        (Preprocessing(32, 40, "after", "bilinear"), "the square"),
        (Preprocessing(32, crop="none", interpolation="box"), "all of it, stretched to a square"),
    ],
)
def test_a_detector_sees_an_upload_as_its_own_preprocessing_makes_it(
    open_page: Open, home: Path, steps: Preprocessing, sees: str
) -> None:
    """What `core.predict` asks it about a file of a set is what this page asks."""
    rival = make_detector(seed=7, preprocessing=steps)
    rival.manifest = {"name": "rival"}
    save_detector(home / "detectors" / "rival", rival, model_card="# Detector `rival`\n")
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    app = upload(open_page("try_picture", run="tiny@seen-test", by="rival", others="on"), *files)
    assert not app.exception
    margin = float(rival.margins(steps.fit(decode(files[0][1]))[None])[0])
    assert plus(margin) in raw_margins(app)
    assert f"stripes2.png, 120 x 90 pixels; the detector sees {sees}" in words(app)
    # the other one keeps to its own
    tiny = load_detector(home / "detectors" / "tiny")
    others = app.dataframe[1].value.set_index("detector")["margin"]
    assert others["rival"] == plus(margin)
    assert others["tiny"] == plus(float(tiny.margins(tiny.preprocessing.fit(decode(files[0][1]))[None])[0]))
    # and so are its deliveries, whose answer may have come after the page was drawn
    app = settled(app.run())
    strip = next(element.value for element in app.table if "PNG" in " ".join(map(str, element.value.index)))
    sent = np.stack([delivered.pixels for delivered in deliver(decode(files[0][1]), seeing(steps))])
    assert strip["margin"].tolist() == [plus(margin) for margin in rival.margins(sent)]
    # until somebody moves its square
    app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.0, 0.5, 1.0)}
    app = settled(app.run())
    square = np.asarray(Image.fromarray(decode(files[0][1])[:, :90]).resize((32, 32), RESAMPLING[steps.interpolation]))
    assert plus(float(rival.margins(square[None])[0])) in raw_margins(app)
    assert "the detector sees the square" in words(app)


def test_a_square_stays_where_it_was_put_for_another_detector(open_page: Open, home: Path) -> None:
    rival = make_detector(seed=7, preprocessing=Preprocessing(32, 40, "after"))
    rival.manifest = {"name": "rival"}
    save_detector(home / "detectors" / "rival", rival, model_card="# Detector `rival`\n")
    app = upload(open_page("try_picture", run="tiny@seen-test", filter="box"), ("stripes.png", picture(3), "image/png"))
    app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.0, 0.5, 1.0)}
    app.selectbox(key="url.by").set_value("rival")
    app = settled(app.run())
    assert not app.exception
    square = np.asarray(Image.fromarray(decode(picture(3))[:, :90]).resize((32, 32), RESAMPLING["box"]))
    assert plus(float(rival.margins(square[None])[0])) in raw_margins(app)
    # each preprocessing has made its pixels once
    assert (Location(0.0, 0.5, 1.0), rival.preprocessing.steps) in app.session_state["upload.cut"][2]


def test_several_are_a_table_and_one_of_them_is_explained(open_page: Open, home: Path) -> None:
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    app = upload(open_page("try_picture", run="tiny@seen-test"), files[0], BROKEN, files[1])
    assert not app.exception
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["stripes2.png", "broken.png", "stripes5.png"]
    detector = load_detector(home / "detectors" / "tiny")
    for row, (_, data, _) in ((0, files[0]), (2, files[1])):
        margins = detector.margins(prepare_pixels(decode(data), Preprocessing(32)).pixels)
        assert table["verdict"][row] == settle(margins)
        assert table["seen"][row].startswith("data:image/png;base64,")
    assert "not an image" in table["reason"][1]
    assert table.loc[1, ["answer", "verdict"]].isna().all()
    chosen = app.selectbox(key="upload.chosen")
    assert "stripes2.png, 120 x 90 pixels" in words(app)
    chosen.select_index(2)
    assert "stripes5.png, 120 x 90 pixels" in words(settled(app.run()))


@pytest.mark.parametrize(
    "sent", [None, "x", [1, 2], [0.5, 0.5, float("nan")], [0.5, True, 2], {"x": 1}, [0.1, 0.2, 10**400]]
)
def test_a_place_that_makes_no_sense_is_none(sent: Any) -> None:
    assert sound_place(sent, most=4.0) is None


def test_a_place_is_kept_within_its_limits() -> None:
    assert sound_place([-1, 0.25, 9], most=4.0) == (0.0, 0.25, 4.0)


class Counted:
    """`decode`, which counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        monkeypatch.setattr(decoding, "decode", self)

    def __call__(self, data: bytes) -> np.ndarray:
        self.calls += 1
        return decode(data)


def test_a_refused_file_is_decoded_once(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    app = upload(open_page("try_picture", run="tiny@seen-test"), BROKEN, ("stripes.png", picture(3), "image/png"))
    for _ in range(3):
        app.run()
    assert "not an image" in app.dataframe[0].value["reason"][0]
    assert counted.calls == 2


def test_only_what_is_there_and_explained_is_kept_for_a_visitor(open_page: Open) -> None:
    pictures = [(f"{seed}.png", picture(seed), "image/png") for seed in range(3)]
    app = upload(open_page("try_picture", run="tiny@seen-test"), *pictures)
    whole = app.session_state["upload.whole"]
    assert len(whole) == 3
    # previews are two hundred times the pixels
    assert all(kept.preview.size == 0 for kept in whole.values())
    assert app.session_state["upload.cut"][2][None, Preprocessing(32).steps].preview.size > 0
    upload(app, pictures[1])
    assert len(app.session_state["upload.whole"]) == 1
    assert app.session_state["upload.cut"][0] in app.session_state["upload.whole"]
    upload(app)
    assert not app.session_state["upload.whole"]
    assert "upload.cut" not in app.session_state


def test_nothing_is_kept_of_who_leaves_the_page(open_page: Open) -> None:
    app = upload(open_page("try_picture", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert "upload.cut" in app.session_state
    app.switch_page("views/help.py").run()
    assert not any(key in app.session_state for key in ("upload.whole", "upload.cut"))
