"""Judge one image and print the answer, with `--json` all that it rests on; `--out` writes explanations to files.

python -m core explain picture.jpg
python -m core explain picture.jpg --method lime --set fill=black --out explained
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.shared import add_device
from core.console import PROGRAM, command, importing, parser_of
from core.homes import homes
from core.images.labels import FILTERS, PALETTES, Palette

if TYPE_CHECKING:
    from core.answers.judgement import Threshold
    from core.arrays import Floats
    from core.detectors.detector import Detector
    from core.explainers.explainer import AnyExplainer
    from core.explainers.explanation import Explanation
    from core.explainers.settings import ExplainerSettings
    from core.images.preprocessing import Prepared

NAME = f"{PROGRAM} explain"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("explain", __doc__)
    add = parser.add_argument
    add("image", type=Path, nargs="?", help="an image file: PNG, JPEG, WebP, GIF, AVIF, HEIC, BMP or TIFF")
    add("--out", type=Path, help="the folder to write explanations to; without it, the answer is printed")
    add("--json", action="store_true", help="print the judgement and its deliveries as JSON")
    help_ = "a method of --list, as often as wanted; default: gradcam and lime"
    add("--method", action="append", metavar="NAME", help=help_)
    help_ = "a setting of --list, for every method that has it or for one"
    add("--set", action="append", default=[], metavar="[METHOD.]KEY=VALUE", help=help_)
    add("--list", action="store_true", help="show every method with its settings")
    add("--detector", default="swift", help="name of a detector, or its folder; default: swift")
    add_device(parser)
    add("--palette", choices=PALETTES, default="class", help="colours of the two classes; default: class")
    help_ = "filter for images of another size; default: the detector's own"
    add("--resampling", choices=FILTERS, help=help_)
    options = parser.parse_args(arguments)
    if options.image is None and not options.list:
        parser.error("say which IMAGE to explain, or --list the methods")
    if options.json and options.resampling:
        parser.error("--json judges the image under every filter; leave out --resampling")
    return options


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Print the judgement of an image, and write the explanations that the command line asks for."""
    if options.list:
        print(_list_methods())
        return
    with importing(NAME):
        from core.runs.folders import find_detectors, find_named, find_runs
        from core.storage.limits import check_file, read_bytes

        # a wrong name is refused before the libraries that take seconds
        folder = find_named(options.detector, find_detectors(), "detector")
        check_file(options.image)

        from core.answers.judgement import find_threshold
        from core.detectors.storage import load_detector
        from core.explainers.registry import DEFAULT, find_explainer
        from core.images.decoding import MAX_BYTES, decode
        from core.images.preprocessing import prepare_pixels

    methods = [find_explainer(name) for name in dict.fromkeys(options.method or DEFAULT)]
    settings = read_settings(methods, options.set)
    detector = load_detector(folder, device=options.device)
    data = read_bytes(options.image, limit=MAX_BYTES)
    ready = prepare_pixels(decode(data), detector.preprocessing)
    threshold = find_threshold(detector.identity, find_runs((folder.parents[1], *homes())).values())
    if options.json:
        _print_json(options.image.name, data, detector, threshold)
    else:
        _print_judgement(options, data, ready, detector, threshold)
    if options.out is not None:
        _explain(options, ready, detector, methods, settings)


def _print_json(name: str, data: bytes, detector: "Detector", threshold: "Threshold | None") -> None:
    """Print everything that a judgement rests on, and what the file says of its origin."""
    import json
    from dataclasses import asdict

    from core.answers.ordinary import judge_picture
    from core.images.provenance import read_claims

    about = {"file": name, "detector": detector.name, **judge_picture(detector, data, threshold)}
    about["provenance"] = [asdict(claim) for claim in read_claims(data)]
    print(json.dumps(about, indent=1, allow_nan=False))


def _print_judgement(
    options: argparse.Namespace,
    data: bytes,
    ready: "Prepared",
    detector: "Detector",
    threshold: "Threshold | None",
) -> None:
    """Print the answer, and what the detector computes."""
    from core.answers.judgement import versions
    from core.answers.ordinary import judge_file, kind_of
    from core.detectors.known import caution_of

    margins = detector.margins(versions(ready))
    judgement = judge_file(ready, kind_of(data), detector.identity, threshold, margins)
    print(f"{options.image.name}: {judgement.answer}. {judgement.sentence}")
    nothing = ", from which nothing follows"
    if judgement.scope in ("in scope", "signs"):
        nothing = ""
    print(f"Raw output{nothing}: {_verdict(ready, detector, margins, options.resampling)}")
    caution = caution_of(detector.manifest)
    if caution:
        print(caution)


def _explain(
    options: argparse.Namespace,
    ready: "Prepared",
    detector: "Detector",
    methods: "Sequence[AnyExplainer]",
    settings: "Sequence[ExplainerSettings]",
) -> None:
    """Write the explanations by the methods that suit the detector; one that is asked for by name must."""
    from core.explainers.settings import ExplanationError

    name = options.resampling or ready.usual
    explanations = []
    refusals = []
    for method, own in zip(methods, settings, strict=True):
        refusal = method.unavailable(detector)
        if refusal:
            refusals.append(refusal)
            continue
        explanations.append((method, own))
    if refusals and (options.method or not explanations):
        raise ExplanationError(refusals[0])
    explained = [method.explain_fully(detector, ready.seen(name), own) for method, own in explanations]
    notes = []
    if not ready.whole:
        note = f"The picture was read at {ready.width} x {ready.height} pixels. {ready.describe(name)}"
        if ready.resized:
            note += " The choice of resampling filter alone can flip this detector's verdict."
        notes.append(note)
    write(options.out, explained, title=options.image.name, notes=notes, palette=options.palette)
    if options.json:
        return
    for (method, _), explanation in zip(explanations, explained, strict=True):
        print(f"{method.title}: {explanation.diagnostics.sentence or 'both signs, not flat.'}")
    print(f"Written to {options.out}")


def _verdict(ready: "Prepared", detector: "Detector", margins: "Floats", resampling: str | None) -> str:
    """Write the verdict on an image by the margins of its `versions`, and under how many filters it is the other."""
    import numpy as np

    from core.images.labels import other_class, verdict_of

    margins = margins[: len(ready.filters)]
    margin = float(margins[0])
    if ready.resized:
        margin = float(margins[ready.filters.index(resampling or ready.usual)])
    verdict = verdict_of(margin)
    beside = ""
    if ready.resized:
        others = int(((margins > 0) != (margin > 0)).sum())
        beside = f", {other_class(verdict)} under {others} of {len(margins)} filters"
    (p_real,) = detector.p_real(np.array([margin], np.float32))
    return f"{verdict}, margin {margin:+.2f} (logits; above 0 is REAL), p_real {p_real:.3f}{beside}"


def read_settings(methods: "Sequence[AnyExplainer]", given: Sequence[str]) -> "list[ExplainerSettings]":
    """Read the settings of each method.

    Args:
        methods: those to configure.
        given: "key=value" for every method that has this setting, or "method.key=value" for one.

    Raises:
        ExplanationError: a text that is not an assignment, a setting that no method has, or an invalid value.
    """
    from core.explainers.settings import ExplanationError, from_parameters

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
    out: Path, explanations: "Sequence[Explanation]", *, title: str, notes: Sequence[str], palette: Palette
) -> None:
    """Write explanation.html and, for each explanation, METHOD.npz, plus METHOD.png if any of its map is decided."""
    from core.explainers.drawing import Style, draw_explanation, npz_of
    from core.images.encoding import encode_png
    from core.report.explanation_page import html_of
    from core.storage.atomic import write_data

    style = Style(palette)
    panels: list[Any] = [(explanation, style) for explanation in explanations]
    write_data(out / "explanation.html", html_of(panels, title=title, notes=notes).encode())
    for explanation in explanations:
        write_data(out / f"{explanation.method}.npz", npz_of(explanation))
        picture = out / f"{explanation.method}.png"
        # one of another image must not stand beside this one's numbers
        picture.unlink(missing_ok=True)
        if explanation.has_picture:
            write_data(picture, encode_png(draw_explanation(explanation, style=style)))


def _list_methods() -> str:
    """Describe every method with its settings."""
    from core.explainers.registry import explainers
    from core.explainers.settings import describe

    lines = []
    for method in explainers():
        lines.append(f"{method.name}: {method.title}. {method.sentence}")
        for setting in describe(method.settings):
            default = setting.text(setting.default)
            limits = setting.limits
            if default:
                limits = f"{setting.limits}, {default} by default"
            lines.append(f"    {setting.name} ({limits}): {setting.label}. {setting.help}")
    return "\n".join(lines)
