"""Uploaded files: one is explained, several are a table, and what is no image is a sentence."""

import io
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.detectors.storage import load_detector, save_detector
from core.findings.numbers import plus
from core.images.decoding import RESAMPLING, PassingError, decode
from core.images.preprocessing import Place, Preprocessing
from core.images.upload import prepare_pixels, settle
from core.perturbations.postprocessing import DELIVERIES, Delivered, Delivery, deliver, seeing
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.columns import browse_table
from core.studies.judgement.judge import Seen, Sent, judge
from core.studies.judgement.rule import Group, Rule, rule_path, write_rule
from dashboard import decoding
from dashboard.components import agreement, grid, panels
from dashboard.components.component import key_of
from dashboard.components.crop import sound_place
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import JobStatus, Prediction, Worker
from dashboard.views.upload_parts import judged
from dashboard.views.upload_parts import table as table_of_files
from dashboard.views.upload_parts.origin import Origin, sent_so_far
from dashboard.views.upload_parts.uploads import Example
from tests.conftest import make_detector
from tests.dashboard.conftest import Open, image_set
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


def write_rule_for(home: Path, *, worth: bool) -> None:
    """A rule beside the run `tiny@seen-test`: its verdicts on shrunk pictures are worth something, or nothing."""
    detector = load_detector(home / "detectors" / "tiny")
    said = {"REAL": {"REAL": 900, "FAKE": 0}, "FAKE": {"REAL": 0 if worth else 800, "FAKE": 200}}
    groups = [Group(f"{label} ones", label, "shrunk", 1000, 1000, said[label], True) for label in ("REAL", "FAKE")]
    rule = Rule(detector.identity.fingerprint, "tiny@seen-test", 0.95, tuple(groups), None, None, {})
    write_rule(rule_path(home / "runs" / "tiny@seen-test"), rule)


@pytest.mark.parametrize("worth", [True, False])
def test_the_headline_is_the_judgement_with_its_reason(open_page: Open, home: Path, worth: bool) -> None:
    write_rule_for(home, worth=worth)
    data = picture(3)
    detector = load_detector(home / "detectors" / "tiny")
    decoded = decode(data)
    delivered = list(deliver(decoded, seeing(Preprocessing(32))))
    margins = detector.margins(np.stack([one.pixels for one in delivered]))
    own = detector.margins(prepare_pixels(decoded, Preprocessing(32)).pixels)
    # what this test is about: a picture that neither a filter nor a delivery flips
    assert (np.concatenate([margins, own]) > 0).all()
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", data, "image/png"))
    assert not app.exception
    headline = next(one.value for one in app.markdown if one.value.startswith("### "))
    if worth:
        assert f"{CLASS_WORDS['REAL']}-like: " in headline
        assert (
            "after each of 17 deliveries (saving, resizing, sending). Of REAL ones 90% pass this"
            in headline.replace("*", "")
        )
    else:
        told = headline.replace("*", "")
        assert "Cannot tell: 80% of FAKE ones are called :blue[REAL] before and after every delivery too, and" in told
    strip = next(element.value for element in app.table if len(element.value) == len(delivered))
    assert strip["margin"].tolist() == [plus(margin) for margin in margins]
    assert strip.index.tolist() == [one.delivery.title for one in delivered]


def test_a_rule_that_cannot_be_read_is_one_sentence(open_page: Open, home: Path) -> None:
    write_rule_for(home, worth=True)
    rule_path(home / "runs" / "tiny@seen-test").write_text("{}")
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert not app.exception
    assert "Cannot tell" in words(app)
    assert "judgement.json holds no rule of judgement" in words(app)


def test_a_picture_is_called_under_every_filter(open_page: Open, home: Path) -> None:
    data = picture(3)
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", data, "image/png"))
    assert not app.exception
    assert not app.error
    ready = prepare_pixels(decode(data), Preprocessing(32))
    margins = load_detector(home / "detectors" / "tiny").margins(ready.pixels)
    table = next(element.value for element in app.table if "p(REAL)" in element.value)
    assert table["margin"].tolist() == [plus(margin) for margin in margins]
    assert table["called"].tolist() == [CLASS_WORDS["REAL" if margin > 0 else "FAKE"] for margin in margins]
    # of this detector nobody has measured anything
    assert "Cannot tell: " in words(app)
    assert "stripes.png, 120 x 90 pixels" in words(app)


def test_of_an_example_its_truth_is_said_and_whether_the_verdict_is_a_mistake(
    open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(grid, "_mount", lambda data, **_: drawn.append(data) or SimpleNamespace(open=None))
    run = read_run(home / "runs" / "tiny@seen-test")
    table = browse_table(run)
    for verdict in ("right", "wrong"):
        found = table[table["correct"] == verdict].iloc[0]
        app = settled(open_page("upload", run=run.name, sample=found["id"]))
        assert not app.exception
        judged = ": correct." if verdict == "right" else ": a mistake."
        assert f"The network says {CLASS_WORDS[found['predicted']]}" in words(app)
        assert f" The image is {CLASS_WORDS[found['label']]}{judged}" in words(app)
        data = drawn[-1]
        assert (data["judged"], data["current"]) == (False, found["id"])
        truth = table.set_index("id")["label"]
        for tile in data["tiles"]:
            # whatever a detector calls it: the badge is what it is
            assert tile["said"] == tile["truth"] == truth[tile["id"]]
            assert not tile["wrong"]
            assert "called" not in tile["label"]


def test_an_example_that_an_address_opens_stands_among_the_others(open_page: Open, home: Path) -> None:
    ids = read_run(home / "runs" / "tiny@seen-test").predictions["id"].tolist()
    usual = {tile["id"] for tile in grids(open_page("upload", run="tiny@seen-test"))["upload.samples"]["tiles"]}
    another = next(id_ for id_ in ids if id_ not in usual)
    data = grids(open_page("upload", run="tiny@seen-test", sample=another))["upload.samples"]
    shown = {tile["id"] for tile in data["tiles"]}
    assert (data["current"], len(shown), len(shown - usual)) == (another, len(usual), 1)
    assert another in shown


def test_what_is_no_image_is_one_sentence(open_page: Open) -> None:
    app = upload(open_page("upload", run="tiny@seen-test"), BROKEN)
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.startswith("broken.png: The file is not an image")


def test_a_failed_look_is_one_sentence_and_can_be_tried_again(open_page: Open, home: Path) -> None:
    # the detector looks whole until it is asked
    card = home / "detectors" / "tiny" / "README.md"
    whole = card.read_bytes()
    card.write_bytes(b"")
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert not app.exception
    # of the verdict and of both explanations
    assert [error.value.startswith("tiny/README.md") for error in app.error] == [True] * 3
    card.write_bytes(whole)
    app.button(key="upload.again").click()
    app = settled(app.run())
    assert any("called" in element.value for element in app.table)
    assert "upload.again" not in [button.key for button in app.button]


def test_a_failed_look_is_said_once_a_file_in_the_table(open_page: Open, home: Path) -> None:
    # the detector looks whole until it is asked
    card = home / "detectors" / "tiny" / "README.md"
    whole = card.read_bytes()
    card.write_bytes(b"")
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    app = upload(open_page("upload", run="tiny@seen-test"), files[0], BROKEN, files[1])
    said = app.dataframe[0].value["reason"].tolist()
    assert [sentence.startswith("tiny/README.md") for sentence in said] == [True, False, True]
    # beside the table: of the verdict and of both explanations of the one that is chosen
    assert len(app.error) == 3
    card.write_bytes(whole)
    app.button(key="table.again").click()
    table = settled(app.run()).dataframe[0].value
    assert table["verdict"].tolist()[::2] == [
        settle(
            load_detector(home / "detectors" / "tiny").margins(prepare_pixels(decode(data), Preprocessing(32)).pixels)
        )
        for _, data, _ in files
    ]
    assert "table.again" not in [button.key for button in app.button]


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
    app = upload(open_page("upload", run="tiny@seen-test", by="rival", others="on"), *files)
    assert not app.exception
    margin = float(rival.margins(steps.fit(decode(files[0][1]))[None])[0])
    assert f"with the {steps.interpolation} filter: margin {plus(margin)}" in words(app)
    assert f"stripes2.png, 120 x 90 pixels; the detector sees {sees}" in words(app)
    each = app.dataframe[0].value
    assert each["highest margin"][0] >= margin - 1e-4
    assert each["lowest margin"][0] <= margin + 1e-4
    # the other one keeps to its own
    tiny = load_detector(home / "detectors" / "tiny")
    others = app.dataframe[1].value.set_index("detector")["margin"]
    assert others["rival"] == plus(margin)
    assert others["tiny"] == plus(float(tiny.margins(tiny.preprocessing.fit(decode(files[0][1]))[None])[0]))
    # and so are its deliveries
    strip = next(element.value for element in app.table if "PNG" in " ".join(map(str, element.value.index)))
    sent = np.stack([one.pixels for one in deliver(decode(files[0][1]), seeing(steps))])
    assert strip["margin"].tolist() == [plus(one) for one in rival.margins(sent)]
    # until somebody moves its square
    app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.0, 0.5, 1.0)}
    app = settled(app.run())
    square = np.asarray(Image.fromarray(decode(files[0][1])[:, :90]).resize((32, 32), RESAMPLING[steps.interpolation]))
    assert f"margin {plus(float(rival.margins(square[None])[0]))}" in words(app)
    assert "the detector sees the square" in words(app)


def test_an_example_that_its_detector_has_fitted_is_not_fitted_again(open_page: Open, home: Path) -> None:
    """A run's pictures are what its detector sees: Upload says of them what the run says."""
    steps = Preprocessing(32, 40, "after", "bilinear")
    rival = make_detector(seed=7, preprocessing=steps)
    rival.manifest = {"name": "rival"}
    save_detector(home / "detectors" / "rival", rival, model_card="# Detector `rival`\n")
    write_run(home, rival, image_set("seen-test"), ship_images=True)
    run = read_run(home / "runs" / "rival@seen-test")
    id_, margin = run.predictions[["id", "margin"]].iloc[3]
    app = settled(open_page("upload", run="rival@seen-test", by="rival", sample=id_, others="on"))
    assert not app.exception
    assert "The network says" in words(app)
    assert f": margin {plus(float(margin))}" in words(app)
    assert "filter: margin" not in words(app)
    others = app.dataframe[0].value.set_index("detector")["margin"]
    assert others["rival"] == plus(float(margin))


def test_an_example_of_the_run_is_not_compared_with_its_own_map(
    open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    panel = agreement.agreement_panel

    def counted(side: Any, others: np.ndarray, *, whose: str) -> list[str]:
        compared.append(len(others))
        return panel(side, others, whose=whose)

    monkeypatch.setattr(agreement, "agreement_panel", counted)
    run = read_run(home / "runs" / "tiny@seen-test")
    id_, verdict = run.predictions[["id", "predicted"]].iloc[7]
    app = settled(open_page("upload", run=run.name, sample=id_, **{"lime.n_samples": "64"}))
    assert not app.exception
    assert compared[-1] == (run.predictions["predicted"] == verdict).sum() - 1


def test_a_square_stays_where_it_was_put_for_another_detector(open_page: Open, home: Path) -> None:
    rival = make_detector(seed=7, preprocessing=Preprocessing(32, 40, "after"))
    rival.manifest = {"name": "rival"}
    save_detector(home / "detectors" / "rival", rival, model_card="# Detector `rival`\n")
    app = upload(open_page("upload", run="tiny@seen-test", filter="box"), ("stripes.png", picture(3), "image/png"))
    app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.0, 0.5, 1.0)}
    app.selectbox(key="url.by").set_value("rival")
    app = settled(app.run())
    assert not app.exception
    square = np.asarray(Image.fromarray(decode(picture(3))[:, :90]).resize((32, 32), RESAMPLING["box"]))
    assert f"with the box filter: margin {plus(float(rival.margins(square[None])[0]))}" in words(app)
    # each preprocessing has made its pixels once
    assert (Place(0.0, 0.5, 1.0), rival.preprocessing.steps) in app.session_state["upload.cut"][2]


def test_files_of_one_name_can_each_be_chosen(open_page: Open) -> None:
    files = [("a.png", picture(seed, height), "image/png") for seed, height in ((2, 60), (5, 90))]
    app = upload(open_page("upload", run="tiny@seen-test"), *files)
    assert app.dataframe[0].value["file"].tolist() == ["1. a.png", "2. a.png"]
    for number, pixels in ((1, "120 x 90"), (0, "120 x 60")):
        app.selectbox(key="upload.chosen").select_index(number)
        assert f"a.png, {pixels} pixels" in words(settled(app.run()))


def test_several_are_a_table_and_one_of_them_is_explained(open_page: Open, home: Path) -> None:
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    app = upload(open_page("upload", run="tiny@seen-test"), files[0], BROKEN, files[1])
    assert not app.exception
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["stripes2.png", "broken.png", "stripes5.png"]
    detector = load_detector(home / "detectors" / "tiny")
    for row, (_, data, _) in ((0, files[0]), (2, files[1])):
        margins = detector.margins(prepare_pixels(decode(data), Preprocessing(32)).pixels)
        assert table["verdict"][row] == settle(margins)
        np.testing.assert_allclose(table["highest margin"][row], margins.max(), rtol=1e-5)
        assert table["seen"][row].startswith("data:image/png;base64,")
    assert "not an image" in table["reason"][1]
    assert table.loc[1, ["p(REAL)", "lowest margin", "highest margin"]].isna().all()
    chosen = app.selectbox(key="upload.chosen")
    assert "stripes2.png, 120 x 90 pixels" in words(app)
    chosen.select_index(2)
    assert "stripes5.png, 120 x 90 pixels" in words(settled(app.run()))


def test_several_are_delivered_on_demand_and_judged(open_page: Open, home: Path) -> None:
    write_rule_for(home, worth=True)
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (3, 4)]
    app = upload(open_page("upload", run="tiny@seen-test"), BROKEN, *files)
    table = app.dataframe[0].value
    assert "deliveries not tested" in table["judgement"].tolist()
    app.button(key="table.deliver").click().run()
    # the next run would draw the page again without delivering anything
    assert not app.exception
    table = settled(app).dataframe[0].value
    detector = load_detector(home / "detectors" / "tiny")
    for row, (_, data, _) in enumerate(files, 1):
        decoded = decode(data)
        margins = detector.margins(np.stack([one.pixels for one in deliver(decoded, seeing(Preprocessing(32)))]))
        margins = np.concatenate([margins, detector.margins(prepare_pixels(decoded, Preprocessing(32)).pixels)])
        alike = {(True, True): "REAL-like", (False, False): "FAKE-like"}
        assert table["judgement"][row] == alike.get(((margins > 0).all(), (margins > 0).any()), "Cannot tell")
    assert "table.deliver" not in [button.key for button in app.button]


def test_a_press_is_kept_though_the_table_settles_at_that_moment(open_page: Open, home: Path) -> None:
    write_rule_for(home, worth=True)
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (3, 4)]
    app = upload(open_page("upload", run="tiny@seen-test"), *files)
    assert table_of_files.TO_COME in app.dataframe[0].value["judgement"].tolist()
    # so the page is drawn anew before it comes to the button
    app.session_state["busy.table"] = True
    app.button(key="table.deliver").click().run()
    assert table_of_files.TO_COME not in settled(app).dataframe[0].value["judgement"].tolist()


def test_a_file_that_is_delivered_waits_its_turn_in_a_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], []
    done = JobStatus("done", answer="margins", share=1.0)

    def ask(*_: Any, slot: str, patience: float) -> JobStatus:
        asked.append(now[0])
        # where many wait the worker has no patience
        return done if now[0] > 40 else JobStatus("waiting", place=50)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(table_of_files, "ask", ask)
    monkeypatch.setattr(table_of_files, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    images = np.zeros((1, 32, 32, 3), np.uint8)
    assert table_of_files._answered(None, images) is done  # type: ignore[arg-type]
    # often enough for the worker not to forget it
    assert max(np.diff(asked)) <= 3
    now[0], done = 0.0, JobStatus("waiting")
    assert table_of_files._answered(None, images).busy  # type: ignore[arg-type]
    assert now[0] < table_of_files.PATIENCE + 5


def test_an_example_of_one_name_and_other_pixels_is_sent_again() -> None:
    small, large = (
        Example("seen-1", np.full((side,) * 2 + (3,), 9, np.uint8), "REAL", Preprocessing(side)) for side in (32, 64)
    )
    seen_by = Preprocessing(64, 64, "before", "bicubic")
    assert small.origin(seen_by).key != large.origin(seen_by).key
    assert small.origin(seen_by).key == small.origin(seen_by).key


def test_a_delivery_that_another_thread_makes_meanwhile_is_neither_made_twice_nor_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread of the page before may still be at work when the page is drawn anew."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr("dashboard.views.upload_parts.origin.SLICE", float("inf"))
    first, second, *rest = DELIVERIES
    made: list[Delivery] = []

    def delivered(one: Delivery) -> Delivered:
        return Delivered(one, np.zeros((32, 32, 3), np.uint8), True)

    def send(one: Delivery) -> Delivered:
        made.append(one)
        if one is first:
            state["upload.sent"][1][second.name] = delivered(second)
        return delivered(one)

    sent = sent_so_far(Origin("picture", "steps", send))
    assert tuple(one.delivery for one in sent) == DELIVERIES
    assert made == [first, *rest]


def test_deliveries_are_told_once_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Seen("same size", ("bicubic",), np.ones(1, np.float32), np.zeros((32, 32, 3), np.uint8), None)
    whose = SimpleNamespace(key="picture"), SimpleNamespace(identity=SimpleNamespace(fingerprint="tiny"))
    told = []
    for sent in (None, (Sent("png", "PNG", 1.0, True),)):
        seen = replace(bare, sent=sent)
        last = ("picture", "tiny"), (judge(None, None, seen), seen)
        monkeypatch.setattr(st, "session_state", {judged.LAST: last})
        told.append(judged.judgement_told(*whose))  # type: ignore[arg-type]
    before, after = told
    assert len(before) == 1
    assert before[0].startswith("Judgement: Cannot tell: ")
    assert after == [*before, "1 of 1 deliveries give the same verdict, REAL."]


@pytest.mark.parametrize("turns", [False, True])
def test_a_probability_stands_beside_a_verdict_only(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, turns: bool
) -> None:
    ready = prepare_pixels(decode(picture(3)), Preprocessing(32))
    margins = np.linspace(-1 if turns else 0.5, 1, len(ready.filters)).astype(np.float32)
    answer = Prediction(margins, 1 / (1 + np.exp(-margins)), np.zeros((len(margins), 4, 4), np.float32))
    monkeypatch.setattr(table_of_files, "look", lambda *_, **__: JobStatus("done", answer, 1.0))
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    table = upload(open_page("upload", run="tiny@seen-test"), *files).dataframe[0].value
    assert table["verdict"].tolist() == ["undetermined" if turns else "REAL"] * 2
    assert table["p(REAL)"].isna().all() == turns


def test_a_crop_of_32_pixels_is_shown_and_noted_as_a_crop(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(panels.SideBySide, "download", lambda _side, given, **_: notes.extend(given))
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", picture(3, 64, 64), "image/png"))
    assert notes[0].startswith("The image was resized to 32 x 32 (")
    app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.5, 0.5, 2.0)}
    notes.clear()
    app = settled(app.run())
    assert not app.exception
    said = words(app)
    assert "stripes.png, 64 x 64 pixels; the detector sees the square" in said
    assert "Exactly what is inside the crop: nothing was resized." in said
    assert notes[0] == "The image was cut to a square of 32 x 32 pixels and not resized."
    assert any(note.startswith("Judgement: ") for note in notes)


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
    app = upload(open_page("upload", run="tiny@seen-test"), BROKEN, ("stripes.png", picture(3), "image/png"))
    for _ in range(3):
        app.run()
    assert "not an image" in app.dataframe[0].value["reason"][0]
    assert counted.calls == 2


def test_a_file_that_there_was_no_memory_for_is_decoded_again(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    room: list[str] = []

    def scarce(data: bytes) -> np.ndarray:
        if not room:
            raise PassingError("There is not enough memory to decode the image now; try again later.")
        return decode(data)

    monkeypatch.setattr(decoding, "decode", scarce)
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert app.error[0].value.startswith("stripes.png: There is not enough memory")
    room.append("again")
    app = settled(app.run())
    assert not app.exception
    assert not app.error
    assert "stripes.png, 120 x 90 pixels" in words(app)


def test_another_crop_decodes_nothing(open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, data = Counted(monkeypatch), picture(3)
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", data, "image/png"))
    for zoom in (1.5, 2.5):
        app.session_state["upload.place"] = {app.session_state["upload.cut"][0]: (0.5, 0.5, zoom)}
        app = settled(app.run())
    assert counted.calls == 1
    np.testing.assert_array_equal(
        app.session_state["upload.cut"][2][Place(0.5, 0.5, 2.5), Preprocessing(32).steps].pixels,
        prepare_pixels(decode(data), Preprocessing(32), Place(zoom=2.5)).pixels,
    )


def test_several_are_read_with_their_progress(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    bar = SimpleNamespace(progress=lambda _share, text: said.append(text), empty=lambda: said.append("done"))
    progress = st.progress
    monkeypatch.setattr(st, "progress", lambda *given: progress(*given) if len(given) > 1 else bar)
    files = [(f"{seed}.png", picture(seed), "image/png") for seed in range(3)]
    upload(open_page("upload", run="tiny@seen-test"), *files)
    assert [text.partition(",")[0] for text in said] == [*(f"Reading image {n} of 3" for n in (1, 2, 3)), "done"]


def test_what_waits_in_the_queue_can_be_stopped(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, read = threading.Event(), Worker._detector
    # the verdict is asked first, and holds up both explanations while its detector is being read
    monkeypatch.setattr(Worker, "_detector", lambda self, question: go_on.wait(60) and read(self, question))
    app = open_page("upload", run="tiny@seen-test")
    app.file_uploader(key="upload.files").set_value([("stripes.png", picture(3), "image/png")]).run()
    waiting = [bar.text for bar in app.get("progress") if bar.text.startswith("Waiting")]
    assert len(waiting) == 2
    app.button(key=f"{key_of('gradcam', 'tiny')}.stop").click().run()
    app.button(key=f"{key_of('lime', 'tiny')}.stop").click().run()
    assert not app.get("progress")
    go_on.set()
    app.button(key=f"{key_of('lime', 'tiny')}.again").click().run()
    assert {button.key for button in settled(app).button} >= {f"{key_of('gradcam', 'tiny')}.again"}
    assert not app.exception
    assert not app.error


def test_a_full_uploader_says_so(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_FILES", 2)
    files = [(f"{seed}.png", picture(seed), "image/png") for seed in range(2)]
    app = upload(open_page("upload", run="tiny@seen-test"), files[0])
    assert not app.info
    app = upload(app, *files)
    assert app.info[0].value.startswith("At most 2 files and 64 MB in total are accepted at once")


def test_only_what_is_there_and_explained_is_kept_for_a_visitor(open_page: Open) -> None:
    pictures = [(f"{seed}.png", picture(seed), "image/png") for seed in range(3)]
    app = upload(open_page("upload", run="tiny@seen-test"), *pictures)
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
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", picture(3), "image/png"))
    assert "upload.cut" in app.session_state
    app.switch_page("views/glossary.py").run()
    assert not any(key in app.session_state for key in ("upload.whole", "upload.cut"))
