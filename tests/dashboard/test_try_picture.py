"""Try a picture: one answer a picture, several files as a table, and what a file says of itself."""

import re

import numpy as np
import pytest
from PIL import Image

from core.answers import ordinary
from core.answers.judgement import Count, scores, threshold_path, write_threshold
from core.answers.ordinary import Rates
from core.detectors import known
from core.detectors.known import Alarms, caution_of
from core.detectors.local_networks import FerretDetector
from core.detectors.manifest import Classes
from core.findings.numbers import plus
from core.images.decoding import RESAMPLING, decode
from core.images.out_of_distribution import find_photograph
from core.images.preprocessing import Location, Preprocessing, prepare_pixels
from core.perturbations.delivery import DELIVERIES, deliver, pasted
from dashboard import library
from dashboard.components import judged, uploads
from dashboard.components.study import Maker
from dashboard.components.uploads import sound_place
from dashboard.components.words import CLASS_WORDS
from tests.conftest import make_detector, write_detector
from tests.core.answers.test_judgement import threshold
from tests.core.detectors.test_ferretnet import make_detector as make_ferret
from tests.core.detectors.test_ferretnet import make_network
from tests.core.images.origin_files import WEBUI, png, saved
from tests.dashboard.conftest import RUN
from tests.dashboard.test_pages import settled, words

BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more", "image/png")


def striped(seed=3, height=90, width=120):
    """A picture of soft stripes."""
    rows, columns = np.indices((height, width))
    return (np.stack([rows * seed, columns, (rows + seed * columns)], axis=2) % 256).astype(np.uint8)


def stripes(*args):
    """The file of a `striped` picture."""
    return f"stripes{args}.png", saved("PNG", striped(*args)), "image/png"


@pytest.fixture
def tried(open_page):
    """A function that opens the page with parameters and gives it files."""

    def opened(*files, **params):
        app = open_page("try_picture", **params)
        app.file_uploader(key="upload.files").set_value(list(files)).run()
        return settled(app)

    return opened


def titles(app):
    return [title.value for title in app.title]


def table(app, column):
    """The first table of a page with this column."""
    return next(element.value for element in app.table if column in element.value)


def raw_margins(app):
    return table(app, "p(REAL)")["margin"].tolist()


def rival(home, steps):
    """A second detector."""
    return write_detector(home, "rival", make_detector(seed=7, preprocessing=steps))


def test_only_a_picture_of_its_own_size_gets_an_answer(tried, home, monkeypatch, tiny):
    cases = []
    monkeypatch.setattr(judged, "draw_case", lambda case, **_: cases.append(case))
    candidates = [stripes(seed, 32, 32) for seed in range(2, 30)]
    score, own = min((float(scores(tiny, decode(file[1])[None])[0]), file) for file in candidates)
    # some changes lead above it
    margin = score + 1e-3
    assert margin < 0
    made = threshold(detector=tiny.identity.fingerprint, run=RUN).model_copy(update={"margin": margin})
    write_threshold(home / "runs" / RUN, made)
    app = tried(own, stripes(5))
    assert app.dataframe[0].value["answer"].tolist() == ["FAKE-like", "Out of scope"]
    # it is a case, whose changed pictures are judged as it is, and which says nothing else
    app = tried(own)
    (title,) = app.title
    assert "-like" in title.value
    changes = cases[-1].changes["picture"].dropna()
    largest = scores(tiny, np.stack([decode(own[1]), *changes[1:]]))
    said = ["FAKE-like" if score < margin else "Nothing found" for score in largest]
    assert [cases[-1].word(column) for column in changes.index] == said
    assert said[0] == "FAKE-like"
    assert "Nothing found" in said
    assert "Where does it look?" in words(app)
    # how often it is right stands beside the answer
    assert re.search("60.0% of generated, .*, 11.1% of shrunk photographs", words(app))
    # an edited margin decides nothing
    written = threshold_path(home / "runs" / RUN)
    written.write_text(written.read_text().replace('"margin": ', '"margin": -9'))
    app = tried(own)
    assert "not been tested" in words(app)
    (sentence,) = library.refused_studies(library.open_run(home / "runs" / RUN))
    assert f"{RUN}/studies/judgement.json is no threshold" in sentence


def test_a_score_that_is_not_to_be_believed_is_under_raw_output_only(tried, home, tiny):
    rival(home, Preprocessing(32))
    app = tried(stripes(), open="sent.others")
    assert "No answer" in words(app)
    shown = "\n".join([words(app), *(element.value.to_csv() for element in (*app.table, *app.dataframe))])
    margins = tiny.margins(prepare_pixels(striped(), Preprocessing(32)).pixels)
    assert not any(text in shown for text in ("p(REAL)", "margin", "% sure", *map(plus, margins)))
    # who is out of scope says REAL or FAKE of nothing
    assert table(app, "answer")["answer"].tolist() == ["Out of scope"] * 2
    app = tried(stripes(), open="raw")
    assert raw_margins(app) == [plus(margin) for margin in margins]
    assert table(app, "p(REAL)")["called"].tolist() == [CLASS_WORDS["REAL" if one > 0 else "FAKE"] for one in margins]


@pytest.mark.parametrize(
    "steps", [Preprocessing(32, 40, "after", "bilinear"), Preprocessing(32, crop="none", interpolation="box")]
)
def test_a_detector_sees_an_upload_as_its_own_preprocessing_makes_it(tried, home, steps, tiny):
    """What `telltale predict` asks it about a file of a set is what this page asks."""
    other = rival(home, steps)
    app = tried(stripes(), by="rival", open="raw.sent")
    pixels = striped()
    margin = float(other.margins(steps.fit(pixels)[None])[0])
    assert plus(margin) in raw_margins(app)
    # and so are its deliveries
    sent = [delivered.pixels for delivered in deliver(pixels, steps)]
    called = ["REAL" if one > 0 else "FAKE" for one in other.margins(np.stack(sent))]
    (matrix,) = [element.value for element in app.dataframe if "JPEG 95" in element.value]
    assert matrix.loc["rival"].tolist() == called
    # until somebody moves its square, which stays for another detector
    app.session_state["upload.places"] = {key: (0.0, 0.5, 1.0) for key, *_ in app.session_state["upload.made"]}
    for detector, name, interpolation in ((other, "rival", steps.interpolation), (tiny, "tiny", "bicubic")):
        app.selectbox(key="url.by").set_value(name)
        app = settled(app.run())
        square = Image.fromarray(pixels[:, :90]).resize((32, 32), RESAMPLING[interpolation])
        assert plus(float(detector.margins(np.asarray(square)[None])[0])) in raw_margins(app)


def test_several_are_a_table_and_one_of_them_is_explained(tried, monkeypatch):
    calls = []
    monkeypatch.setattr(uploads, "decode", lambda data: calls.append(data) or decode(data))
    files = (stripes(2), BROKEN, stripes(5))
    app = tried(*files, open="")
    shown = app.dataframe[0].value
    assert shown["file"].tolist() == [name for name, *_ in files]
    assert shown["seen"].isna().tolist() == shown["answer"].isna().tolist() == [False, True, False]
    assert "not an image" in shown["reason"][1]
    app.selectbox(key="upload.chosen").select_index(2)
    app = settled(app.run())
    # a refusal is kept too
    assert calls.count(BROKEN[1]) == 1
    app.switch_page("views/help.py").run()
    assert "upload.made" not in app.session_state


def test_a_place_is_kept_within_its_limits():
    for sent in (None, "x", [1, 2], [0.5, 0.5, float("nan")], {"x": 1}, [0.1, 0.2, 10**400]):
        assert sound_place(sent, 1.0, 4.0) is None
    assert sound_place([-1, 0.25, 9], 1.0, 4.0) == Location(0.0, 0.25, 4.0)


def test_what_a_file_says(tried):
    settings = WEBUI + "\n**bold** <img src=x>"
    drawn = ("drawn.png", png({"parameters": settings}), "image/png")
    app = tried(drawn, open="file")
    said = words(app)
    assert "**The file says that a generator made it.** :gray-badge[claimed" in said
    assert "Stable Diffusion WebUI or one of its kind, model “dreamshaper" in said
    assert any(element.value == settings for element in app.code)
    # what a stranger wrote is nowhere read as Markdown
    assert not any("**bold**" in element.value for element in app.markdown)


def test_an_ordinary_picture_gets_an_answer_beside_its_rates_or_none(tried, home, monkeypatch):
    detector = make_ferret()
    detector.manifest = {"known": "ferret"}
    write_detector(home, "ferret", detector)
    margin = float(detector.margins(detector.preprocessing.fit(striped())[None])[0])
    generated = Count(hits=9, images=10, sources=5)
    photographs = Count(hits=1, images=70, sources=5)
    rates = Rates(margin=margin + 1, generated=generated, photographs=photographs)
    about = {"lossless": rates}
    counts = {"jpeg_95": Alarms(4, 1), known.AS_IT_IS: Alarms(8, 3)}
    with monkeypatch.context() as patch:
        patch.setattr(known, "false_alarms", lambda: {"ferret": counts})
        patch.setattr(ordinary, "measured", lambda: {detector.identity.weights_sha256: about})
        app = tried(stripes(), by="ferret", open="sent")
        assert judged.ORDINARY["signs"] in titles(app)
        assert "9 of 10" in words(app)
        # so do its false alarms at its authors' threshold
        assert caution_of(detector.manifest) in words(app)
        (matrix,) = [element.value for element in app.dataframe if "JPEG 95" in element.value]
        # one that would have to shrink the picture is not asked
        assert [name.partition(":")[0] for name in matrix.index] == ["ferret", "ferret"]
        assert matrix["JPEG 95"].iloc[1].startswith("25")
        app = tried(("stripes.jpg", saved("JPEG", striped()), "image/jpeg"), by="ferret")
        assert judged.ORDINARY["unmeasured"] in titles(app)
    # where it is here, it is asked unless somebody chooses another, and nothing is to be fetched
    app = tried(stripes())
    assert titles(app) == [judged.ORDINARY["unmeasured"]]
    app.selectbox(key="url.by").set_value("tiny")
    assert titles(settled(app.run())) == [judged.OUT_OF_SCOPE["shrunk"][0]]
    assert "Fetch a detector" not in words(app)


@pytest.mark.parametrize("is_local", [True, False])
def test_a_detector_for_ordinary_pictures_is_fetched_by_a_press_alone(tried, monkeypatch, is_local):
    started = []
    monkeypatch.setattr(Maker, "start", lambda _maker, given: started.append(given))
    monkeypatch.setattr(judged, "is_local", lambda: is_local)
    app = tried(stripes())
    assert "Fetch a detector for ordinary pictures?" in words(app)
    assert not started
    buttons = [button for button in app.button if button.label == "Fetch it"]
    assert len(buttons) == is_local
    assert ("detectors add ferretnet" in words(app)) != is_local
    for button in buttons:
        button.click().run()
        assert started == [("detectors", "add", "ferretnet")]


def test_the_map_of_a_whole_picture_before_and_after_a_change(tried, home):
    # larger than what its positions see
    detector = FerretDetector(
        make_network(), Preprocessing(160, crop="native"), Classes(("FAKE",), ("FAKE",)), config={"width": 16}
    )
    write_detector(home, "ferret", detector)
    app = tried(stripes(3, 170, 330), by="ferret")
    pixels = striped(3, 170, 330)
    photograph = find_photograph()
    halved = next(one for one in DELIVERIES if one.name == "scale_50_box").apply(pixels)
    for press, changed in (
        ("scale_50_box", halved), ("paste", pasted(pixels, photograph)), ("", pasted(pixels, photograph, 0.1, 0.9)),
    ):  # fmt: skip
        if press:
            app.segmented_control(key="url.then").set_value(press)
        else:
            # the square is moved
            made = app.session_state["upload.made"]
            app.session_state["upload.places"] = {f"{key}.paste": (0.1, 0.9, 2.0) for key, *_ in made}
        app = settled(app.run())
        for version in (pixels, changed):
            *_, last = detector.score_whole(version)
            assert f"**{plus(last.margin)}**" in words(app)


def test_a_map_is_laid_over_a_picture_by_its_signs():
    drawn = uploads.overlay(np.full((8, 16, 3), 128, np.uint8), np.array([[-1.0, np.nan, 0.0, 1.0]]), 1.0)
    red, _, blue = drawn[4].T.astype(int)
    assert np.sign(red - blue)[[0, 8, -1]].tolist() == [1, 0, -1]


def test_a_picture_that_was_halved_gets_no_answer(tried, home):
    write_detector(home, "ferret", make_ferret())
    large = saved("JPEG", np.full((5000, 5000, 3), 90, np.uint8))
    app = tried(("large.jpg", large, "image/jpeg"), by="ferret")
    assert titles(app) == [judged.ORDINARY["halved"]]
    assert "24.5 million" in words(app)
