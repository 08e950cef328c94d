"""Judge one image and print the answer, with `--json` all that it rests on; `--out` writes explanations to files."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.answers.judgement import OUT_OF_SCOPE, find_threshold, judge, judge_picture, versions
from core.arguments.explain import parse
from core.console import PROGRAM, command
from core.explainers.drawing import Style, draw_explanation, npz_of
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.registry import DEFAULT, explainers, find_explainer
from core.explainers.settings import ExplainerSettings, ExplanationError, describe, from_parameters
from core.homes import homes
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.encoding import encode_png
from core.images.labels import other_class, verdict_of
from core.images.palette import Palette
from core.images.preprocessing import Prepared, prepare_pixels
from core.images.provenance import read_claims
from core.report.explanation_page import html_of
from core.runs.folders import find_detectors, find_named, find_runs
from core.storage.atomic import write_bytes_atomically
from core.storage.limits import read_bytes

if TYPE_CHECKING:
    from core.detectors.detector import Detector


@command(f"{PROGRAM} explain", parse)
def main(options: argparse.Namespace) -> None:
    """Print the judgement of an image, and write the explanations that the command line asks for."""
    if options.list:
        print(_list_methods())
        return
    methods = [find_explainer(name) for name in dict.fromkeys(options.method or DEFAULT)]
    settings = read_settings(methods, options.set)
    detector = open_detector(options.detector, device=options.device)
    data = read_bytes(options.image, limit=MAX_BYTES)
    picture = decode(data)
    ready = prepare_pixels(picture, detector.preprocessing)
    folder = find_named(options.detector, find_detectors(), "detector")
    threshold = find_threshold(detector.identity, find_runs((folder.parents[1], *homes())).values())
    if options.json:
        about = {"file": options.image.name, "pixels": [ready.width, ready.height], "detector": detector.name}
        about |= judge_picture(detector, picture, threshold)
        claims = [asdict(claim) for claim in read_claims(data)]
        print(json.dumps({**about, "provenance": claims}, indent=1, allow_nan=False))
    else:
        margins = detector.margins(versions(ready))
        judgement = judge(ready, threshold, margins)
        print(f"{options.image.name}: {judgement.answer}. {judgement.sentence}")
        nothing = ", from which nothing follows" if judgement.answer == OUT_OF_SCOPE else ""
        print(f"Raw output{nothing}: {_verdict(ready, detector, margins, options.resampling)}")
    if options.out is None:
        return
    refusals = [method.unavailable(detector) for method in methods]
    if any(refusals) and (options.method or all(refusals)):
        raise ExplanationError(next(filter(None, refusals)))
    name = options.resampling or ready.usual
    note = f"The picture was read at {ready.width} x {ready.height} pixels. {ready.describe(name)}"
    if ready.resized:
        note += " The choice of resampling filter alone can flip this detector's verdict."
    explanations = [
        method.explain_fully(detector, ready.seen(name), own)
        for method, own, refusal in zip(methods, settings, refusals, strict=True)
        if not refusal
    ]
    notes = [] if ready.whole else [note]
    write(options.out, explanations, title=options.image.name, notes=notes, palette=options.palette)
    if not options.json:
        for explanation in explanations:
            sentence = explanation.diagnostics.sentence or "both signs, not flat."
            print(f"{find_explainer(explanation.method).title}: {sentence}")
        print(f"Written to {options.out}")


def open_detector(name: str | Path, *, device: str = "auto") -> "Detector":
    """Load a detector that is here by its name, or from its folder.

    Args:
        name: of the detector, or its folder.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        ContractError: there is none, or it cannot be read.
        ValueError: there is no such device here.
    """
    # torch is read once it is known what to do
    from core.detectors.storage import load_detector  # noqa: PLC0415

    return load_detector(find_named(str(name), find_detectors(), "detector"), device=device)


def explain_image(
    detector: "Detector", image: str | Path | NDArray[np.uint8], method: str = "lime", **settings: Any
) -> Explanation:
    """Explain an image as the detector sees it; a notebook shows the result as a picture.

    Args:
        detector: from `open_detector`.
        image: an image file, or uint8 (height, width, 3).
        method: name of an explainer; `telltale explain --list` shows them.
        settings: of that explainer, in place of its defaults.

    Raises:
        ExplanationError: there is no such method, or the detector lacks what it needs.
        ValueError: there is no such setting, or it is out of range.
        ImageError: the file is not an image that can be read, or the array is none.
    """
    explainer = find_explainer(method)
    if refusal := explainer.unavailable(detector):
        raise ExplanationError(refusal)
    pixels = decode(read_bytes(Path(image), limit=MAX_BYTES)) if isinstance(image, str | Path) else _checked(image)
    ready = prepare_pixels(pixels, detector.preprocessing)
    return explainer.explain_fully(detector, ready.seen(ready.usual), explainer.settings(**settings))


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a caller's array, once it is an image; raises ImageError or TypeError."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"an image is the path of a file or a NumPy array, not {type(image).__name__}")
    if image.dtype != np.uint8:
        raise ImageError(f"the image holds {image.dtype}; give uint8, 0 to 255, as by (255 * image).astype('uint8')")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError(f"the image has the shape {image.shape}; give (height, width, 3): red, green and blue")
    return image


def _verdict(ready: Prepared, detector: "Detector", margins: NDArray[np.floating], resampling: str | None) -> str:
    """Write the verdict on an image by the margins of its `versions`, and under how many filters it is the other."""
    margins = margins[: len(ready.filters)]
    margin = float(margins[ready.filters.index(resampling or ready.usual)] if ready.resized else margins[0])
    others = int(((margins > 0) != (margin > 0)).sum())
    verdict = verdict_of(margin)
    beside = f", {other_class(verdict)} under {others} of {len(margins)} filters" if ready.resized else ""
    (p_real,) = detector.p_real(np.array([margin], np.float32))
    return f"{verdict}, margin {margin:+.2f} (logits; above 0 is REAL), p_real {p_real:.3f}{beside}"


def read_settings(methods: Sequence[AnyExplainer], given: Sequence[str]) -> list[ExplainerSettings]:
    """Read the settings of each method.

    Args:
        methods: those to configure.
        given: "key=value" for every method that has this setting, or "method.key=value" for one.

    Raises:
        ExplanationError: a text that is not an assignment, a setting that no method has, or an invalid value.
    """
    texts: dict[str, dict[str, str]] = {method.name: {} for method in methods}
    for text in given:
        key, equals, value = text.partition("=")
        name, _, setting = key.rpartition(".")
        if not equals or not setting:
            raise ExplanationError(f"--set takes KEY=VALUE or METHOD.KEY=VALUE, not {text!r}")
        having = [method for method in methods if name in ("", method.name) and setting in method.settings.model_fields]
        if not having:
            raise ExplanationError(f"none of {', '.join(texts)} has a setting {key!r}; --list shows them")
        for method in having:
            texts[method.name][setting] = value
    return [from_parameters(method.settings, texts[method.name]) for method in methods]


def write(
    out: Path, explanations: Sequence[Explanation], *, title: str, notes: Sequence[str], palette: Palette
) -> None:
    """Write explanation.html and, for each explanation, METHOD.npz, plus METHOD.png if any of its map is decided."""
    panels: list[Any] = [(explanation, Style(palette)) for explanation in explanations]
    files = {"explanation.html": html_of(panels, title=title, notes=notes).encode()}
    for explanation, style in panels:
        files[f"{explanation.method}.npz"] = npz_of(explanation)
        # one of another image must not stand beside this one's numbers
        (out / f"{explanation.method}.png").unlink(missing_ok=True)
        if explanation.has_picture:
            files[f"{explanation.method}.png"] = encode_png(draw_explanation(explanation, style=style))
    for name, data in files.items():
        write_bytes_atomically(out / name, partial(Path.write_bytes, data=data))


def _list_methods() -> str:
    """Describe every method with its settings."""
    lines = []
    for method in explainers():
        lines.append(f"{method.name}: {method.title}. {method.sentence}")
        for setting in describe(method.settings):
            default = f", {setting.text(setting.default)} by default" if setting.text(setting.default) else ""
            lines.append(f"    {setting.name} ({setting.limits}{default}): {setting.label}. {setting.help}")
    return "\n".join(lines)
