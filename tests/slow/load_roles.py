"""Who comes to the dashboard under load: some browse, some explain; and what an explanation has to be."""

import asyncio
import base64
import io
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.explainers.cam import CamSettings
from core.explainers.drawing import draw_explanation
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LimeSettings
from core.explainers.registry import find_explainer
from core.images.decoding import decode
from core.images.encoding import encode_png
from core.images.preprocessing import Preprocessing, prepare_pixels
from core.perturbations.masking import FILLS
from core.runs.folders import find_detectors, find_runs
from core.runs.run import read_run
from dashboard.components.component import key_of
from tests.visitor import Trouble, Visitor, component_data, widget_of

BROWSED = ("", "mistakes", "mistakes", "reads", "reads", "maps", "detectors")
# how many pages a visitor looks at before leaving; another one comes then
STAY = 20
# the widgets that a browsing visitor leaves alone: they lead to another run, or off the page
LEFT_ALONE = ("url.run",)
SIZE = 512
# seconds that a visitor waits for a picture, or for the file of the settings asked for
PATIENCE = 120
# a number that floating-point sums in another order may move by
TOLERANCE = 1e-4


@dataclass
class Records:
    """What was measured.

    Attributes:
        browsing: (seconds since the start, page, seconds it took).
        first, final, cams: (seconds since the start, seconds to LIME's first or last picture, or to Grad-CAM's).
        errors: sentences.
        left, early: visitors who moved on before the final result; files of the settings before, see `_numbers`.
        cases: explanations to be checked.
        received: bytes.
    """

    started: float = field(default_factory=time.perf_counter)
    browsing: list[tuple[float, str, float]] = field(default_factory=list)
    first: list[tuple[float, float]] = field(default_factory=list)
    final: list[tuple[float, float]] = field(default_factory=list)
    cams: list[tuple[float, float]] = field(default_factory=list)
    left: int = 0
    early: int = 0
    visits: int = 0
    errors: list[str] = field(default_factory=list)
    cases: list["Case"] = field(default_factory=list)
    received: int = 0

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started


@dataclass(frozen=True, eq=False)
class Case:
    """An explanation as a visitor got it, and what it was asked of.

    Attributes:
        detector: its name.
        image: uint8 (32, 32, 3) that was meant.
        method, settings: that were meant.
        numbers: the .npz file.
        picture: the PNG on the page, b"" where LIME decides nothing and there is none; None where it was not looked at.
    """

    detector: str
    image: NDArray[np.uint8]
    method: str
    settings: LimeSettings | CamSettings
    numbers: bytes
    picture: bytes | None = None


async def pause(chance: random.Random, mean: float) -> None:
    """A person reads: exponentially long."""
    await asyncio.sleep(chance.expovariate(1 / mean))


async def browse(address: str, number: int, runs: list[str], records: Records, *, until: float, think: float) -> None:
    """Visitors who look at pages, filter, sort and turn them, one after another until the time is up."""
    chance = random.Random(f"browser {number}")
    await asyncio.sleep(chance.uniform(0, think))
    while records.now < until:
        visitor = Visitor(address)
        try:
            async with visitor:
                records.visits += 1
                page = chance.choice(BROWSED)
                seconds = await visitor.open(page, run=chance.choice(runs))
                records.browsing.append((records.now, page, seconds))
                for _ in range(chance.randrange(STAY // 2, 2 * STAY)):
                    await pause(chance, think)
                    if records.now >= until or visitor.troubles:
                        break
                    page = visitor.page
                    page, seconds = await _look_further(visitor, chance)
                    records.browsing.append((records.now, page, seconds))
        except (Trouble, OSError) as error:
            records.errors.append(f"browser {number}: {error}")
        records.errors += [f"browser {number}: {sentence}" for sentence in visitor.troubles]
        records.received += visitor.received


async def _look_further(visitor: Visitor, chance: random.Random) -> tuple[str, float]:
    """Turn to another page, or set one of the widgets of this one; the page and the seconds."""
    here = [
        (widget.id, fragment, value)
        for kind, widget, fragment in visitor.widgets()
        if not widget.id.endswith(LEFT_ALONE) and (value := _some_value(kind, widget, chance)) is not None
    ]
    if not here or chance.random() < 0.35:
        page = chance.choice(BROWSED)
        return page, await visitor.turn_to(page)
    id_, fragment, value = chance.choice(here)
    return visitor.page, await visitor.change(id_, fragment, **value)


def _some_value(kind: str, widget: Any, chance: random.Random) -> dict[str, Any] | None:
    """Something else that a widget could be set to, None for what is no setting."""
    if getattr(widget, "disabled", False):
        return None
    if kind == "selectbox" and widget.options:
        return {"string_value": chance.choice(widget.options)}
    if kind == "button_group" and widget.options:
        return {"string_array_value": [chance.choice(widget.options).content]}
    if kind == "slider" and not widget.options:
        steps = int((widget.max - widget.min) / widget.step)
        ends = sorted(widget.min + widget.step * chance.randint(0, steps) for _ in widget.default)
        return {"double_array_value": [min(end, widget.max) for end in ends]}
    if kind == "checkbox":
        return {"bool_value": chance.random() < 0.5}
    return None


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures to explain: those of one run that has them.

    Attributes:
        run: its name.
        detector: the name of its detector.
        ids, pixels: of its images.
    """

    run: str
    detector: str
    ids: list[str]
    pixels: NDArray[np.uint8]

    @classmethod
    def of(cls, name: str) -> "Gallery":
        """A run that ships its images."""
        run = read_run(find_runs()[name])
        if run.images is None:
            raise SystemExit(f"{name} ships no images; name a run that does, such as sample@sample-test.")
        return cls(name, run.manifest["detector"], list(run.predictions["id"]), np.asarray(run.images))


async def explain(address: str, number: int, gallery: Gallery, records: Records, *, until: float, think: float) -> None:
    """A visitor who has one image after another explained, every other one on the page Upload."""
    chance = random.Random(f"explainer {number}")
    page = ("mistakes", "try_picture")[number % 2]
    while records.now < until:
        visitor = Visitor(address)
        try:
            async with visitor:
                records.visits += 1
                watch = Watch(visitor, gallery.detector)
                for _ in range(STAY // 4):
                    if records.now >= until or visitor.troubles:
                        break
                    image = await _choose_image(visitor, page, gallery, chance, watch)
                    for change in range(chance.randint(1, 3)):
                        if change:
                            await _change_setting(visitor, chance, watch)
                        stays = chance.random() > 1 / 6
                        await _wait_and_keep(
                            visitor, watch, records, detector=gallery.detector, image=image, stays=stays
                        )
                        await pause(chance, think)
        except (Trouble, OSError) as error:
            records.errors.append(f"explainer {number}: {error}")
        records.errors += [f"explainer {number}: {sentence}" for sentence in visitor.troubles]
        records.received += visitor.received


class Watch:
    """Notes when the pictures of a question arrive, whatever run of the page brings them."""

    def __init__(self, visitor: Visitor, detector: str) -> None:
        self._visitor, self._detector = visitor, detector
        self._begun, self._open = 0.0, False
        self.first = self.final = self.cam = None
        self._changed = asyncio.Event()
        visitor.on_message, visitor.on_element = self._see_message, self._see_element

    @property
    def passed(self) -> float:
        """Seconds since the question was asked."""
        return time.perf_counter() - self._begun

    def begin(self) -> None:
        """Start timing a question; ignore what arrives before the page begins to answer it."""
        self._begun, self._open = time.perf_counter(), True
        self._forget()

    def asked(self) -> None:
        """The page has taken the question."""
        self._open = False

    async def wait(self, what: str, patience: float) -> float | None:
        """Seconds until "first", "final" or "cam" is there, None where it takes longer than `patience`."""
        ends = time.perf_counter() + patience
        while getattr(self, what) is None and time.perf_counter() < ends and not self._visitor.troubles:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), 1)
            except TimeoutError:
                continue
        return getattr(self, what)

    def _forget(self) -> None:
        self.first = self.final = self.cam = None

    def _see_message(self, message: ForwardMsg) -> None:
        if self._open and message.WhichOneof("type") == "new_session" and self._visitor.answers(message):
            self._forget()

    def _see_element(self, element: Element) -> None:
        passed = time.perf_counter() - self._begun
        id_ = getattr(widget_of(element)[1], "id", "")
        if id_.endswith(f"-{key_of('lime', self._detector)}.picture"):
            self.first = self.first or passed
        elif id_.endswith(f"-{key_of('lime', self._detector)}.files.npz"):
            # where LIME decides nothing it has numbers and no picture
            self.final, self.first = self.final or passed, self.first or passed
        elif id_.endswith(f"-{key_of('gradcam', self._detector)}.files.npz"):
            self.cam = self.cam or passed
        self._changed.set()


async def _choose_image(
    visitor: Visitor, page: str, gallery: Gallery, chance: random.Random, watch: Watch
) -> NDArray[np.uint8]:
    """Another image under other settings, by an address or by an upload; its pixels as the detector sees them."""
    row = chance.randrange(len(gallery.ids))
    asked = {
        "run": gallery.run,
        "lime.seed": str(chance.randrange(10_000)),
        "lime.n_samples": str(chance.choice((128, 256, 256, 512))),
        "lime.n_segments": str(chance.randrange(10, 100, 2)),
        "lime.fill": chance.choice(list(FILLS)),
        "gradcam.layer": chance.choice(("layer1", "layer2", "layer3")),
    }
    if page == "mistakes":
        watch.begin()
        await visitor.open(page, id=gallery.ids[row], **asked)
        watch.asked()
        return gallery.pixels[row]
    await visitor.open(page, by=gallery.detector, **asked)
    data = _photograph(gallery.pixels[row], chance)
    watch.begin()
    await visitor.upload(f"picture-{row}.png", data, key="upload.files")
    watch.asked()
    return prepare_pixels(decode(data), Preprocessing(32)).seen("bicubic")


def _photograph(image: NDArray[np.uint8], chance: random.Random) -> bytes:
    """An upload that nobody has made before: an image made larger, with a little noise."""
    large = np.asarray(Image.fromarray(image).resize((chance.randint(60, 200), chance.randint(60, 200))), np.int16)
    noise = np.random.default_rng(chance.randrange(2**32)).integers(-6, 7, large.shape)
    return encode_png(np.clip(large + noise, 0, 255).astype(np.uint8))


async def _change_setting(visitor: Visitor, chance: random.Random, watch: Watch) -> None:
    """Move one of LIME's controls and another seed, as in the panel."""
    # who moves on early may find the page in the midst of being drawn
    await visitor.wait_for("url.lime.seed")
    seed, fragment = visitor.find("url.lime.seed")
    if chance.random() < 0.5:
        kind, fill, part = next(one for one in visitor.widgets() if one[1].id.endswith("-url.lime.fill"))
        await visitor.change(fill.id, part, **(_some_value(kind, fill, chance) or {}))
    else:
        slider, part = visitor.find("url.lime.n_segments")
        # a slider through options sends the chosen option's text, as a browser does
        await visitor.change(slider.id, part, string_array_value=[chance.choice(slider.options)])
    watch.begin()
    await visitor.change(seed.id, fragment, double_value=float(chance.randrange(10_000)))
    watch.asked()


async def _wait_and_keep(
    visitor: Visitor, watch: Watch, records: Records, *, detector: str, image: NDArray[np.uint8], stays: bool
) -> None:
    """Wait for the pictures, to the last one if the visitor stays as long, and keep what came for the check."""
    if (first := await watch.wait("first", PATIENCE)) is None:
        raise Trouble("no picture of LIME came within two minutes")
    records.first.append((records.now, first))
    if not stays:
        records.left += 1
        return
    if (final := await watch.wait("final", PATIENCE)) is None:
        raise Trouble("LIME was not finished within two minutes")
    if watch.cam is not None:
        records.cams.append((records.now, watch.cam))
    buttons = [f"{key_of(method, detector)}.files.npz" for method in ("lime", "gradcam")]
    # the page is drawn once more when both are there
    await visitor.wait_for(*buttons)
    asked = visitor.parameters
    lime = LimeSettings(
        n_segments=int(asked.get("lime.n_segments", LimeSettings().n_segments)),
        n_samples=int(asked.get("lime.n_samples", LimeSettings().n_samples)),
        seed=int(asked.get("lime.seed", 0)),
        fill=asked.get("lime.fill", LimeSettings().fill),  # type: ignore[arg-type]
    )
    cam = CamSettings(layer=asked.get("gradcam.layer", ""))
    for method, settings in (("lime", lime), ("gradcam", cam)):
        numbers, at_once = await _numbers(
            visitor, f"{key_of(method, detector)}.files.npz", settings.model_dump(), records
        )
        # looked at after the numbers are those of the settings
        picture = await _picture(visitor, f"{key_of(method, detector)}.picture") if method == "lime" else None
        if method == "lime":
            # what came first may have been the answer to the question before
            records.final.append((records.now, final if at_once else watch.passed))
        records.cases.append(Case(detector, image, method, settings, numbers, picture))


async def _numbers(visitor: Visitor, key: str, wanted: Mapping[str, Any], records: Records) -> tuple[bytes, bool]:
    """The file behind a button once it is that of these settings, and whether it was so at once.

    A fragment that redraws itself in the run that changes it is drawn twice, first as it was: its old button stays
    until it redraws again. And a click while a page is being redrawn may hit what is already gone.
    """
    ends = time.perf_counter() + PATIENCE
    at_once = True
    while True:
        try:
            numbers = await visitor.download(visitor.find(key)[0].id)
        except Trouble:
            numbers = b""
        if numbers and _about(np.load(io.BytesIO(numbers), allow_pickle=False))["settings"] == wanted:
            return numbers, at_once
        records.early, at_once = records.early + 1, False
        if time.perf_counter() > ends:
            break
        await asyncio.sleep(1)
        await visitor.still()
    if not numbers:
        raise Trouble(f"{key} could not be downloaded within two minutes")
    return numbers, at_once


async def _picture(visitor: Visitor, key: str) -> bytes:
    """The PNG that is on the page now, b"" where LIME decides nothing and none is."""
    if not visitor.has(key):
        # a page that is being drawn anew has it again once it is still
        await visitor.wait_for(key)
    if not visitor.has(key):
        return b""
    return base64.b64decode(component_data(visitor.find(key)[0])["source"].partition(",")[2])


def check(cases: list[Case]) -> list[str]:
    """A sentence on each explanation that differs from the same one computed alone."""
    detectors: dict[str, Detector] = {}
    wrong = []
    for case in cases:
        if case.detector not in detectors:
            detectors[case.detector] = load_detector(find_detectors()[case.detector], device="cpu")
        if problem := _problem(case, detectors[case.detector]):
            wrong.append(f"{case.detector}, {case.settings}: {problem}")
    return wrong


def _problem(case: Case, detector: Detector) -> str:
    got = np.load(io.BytesIO(case.numbers), allow_pickle=False)
    about = _about(got)
    if not np.array_equal(got["image"], case.image):
        return "another image"
    if about["settings"] != case.settings.model_dump():
        return f"other settings: {about['settings']}"
    alone = find_explainer(case.method).explain_fully(detector, case.image, case.settings)
    arrays: dict[str, Any] = {"values": alone.values}
    if alone.parts is not None:
        arrays |= {name: getattr(alone.parts, name) for name in ("weights", "low", "high", "regions")}
    for name, expected in arrays.items():
        if got[name].shape != expected.shape or np.abs(got[name] - expected).max() > TOLERANCE:
            return f"other {name}"
    if abs(about["margin"] - alone.margin) > TOLERANCE:
        return "another margin"
    return "" if case.picture is None else _wrong_picture(case.picture, alone, got)


def _about(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of numbers says of them."""
    return json.loads(str(numbers["about"]))


def _wrong_picture(picture: bytes, alone: Explanation, got: Any) -> str:
    """What is wrong with the picture on the page, "" for nothing."""
    if alone.parts is not None and not np.array_equal(got["decisions"], alone.parts.decisions):
        # reported with its bounds: one that touches zero may fall on either side by rounding
        return f"decided otherwise: {got['decisions']} of {got['low']} to {got['high']}, alone {alone.parts.decisions}"
    if not picture or not alone.has_picture:
        return "" if bool(picture) == alone.has_picture else f"a picture {'missing' if not picture else 'of nothing'}"
    drawn, expected = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)
        for data in (picture, encode_png(draw_explanation(alone, SIZE)))
    )
    if drawn.shape != expected.shape:
        return f"a picture of another size: {drawn.shape}"
    # a weight that moved in its fifth digit may move a colour by a step
    if (off := np.abs(drawn - expected).max(2)).max() > 2:
        return f"another picture on the page: {(off > 2).sum()} of {off.size} pixels, by {off.max()} at most"
    return ""
