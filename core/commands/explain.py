"""Judge one image and print the answer, with `--json` all that it rests on; `--out` writes explanations to files.

python -m core explain picture.jpg
python -m core explain picture.jpg --method lime --set fill=black --out explained
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands import add_device
from core.console import PROGRAM, command, importing, parser_of
from core.homes import homes

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.explainers.explainer import AnyExplainer
    from core.explainers.settings import ExplainerSettings

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
    options = parser.parse_args(arguments)
    if options.image is None and not options.list:
        parser.error("say which IMAGE to explain, or --list the methods")
    return options


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Print the judgement of an image, and write the explanations that the command line asks for."""
    if options.list:
        print(_list_methods())
        return
    with importing(NAME):
        from core.runs.folders import find_detector, find_runs
        from core.storage.limits import check_file, read_bytes

        folder = find_detector(options.detector)
        check_file(options.image)

        from core.answers.judgement import find_threshold
        from core.answers.ordinary import judge_picture
        from core.detectors.storage import load_detector
        from core.explainers.registry import DEFAULT, find_explainer
        from core.images.decoding import MAX_BYTES

    methods = [find_explainer(name) for name in dict.fromkeys(options.method or DEFAULT)]
    settings = read_settings(methods, options.set)
    detector = load_detector(folder, device=options.device)
    data = read_bytes(options.image, limit=MAX_BYTES)
    threshold = find_threshold(detector.identity, find_runs((folder.parents[1], *homes())).values())
    judgement = judge_picture(detector, data, threshold, in_full=options.json)
    if options.json:
        judgement = {"file": options.image.name, "detector": detector.name, **judgement}
        print(json.dumps(judgement, indent=1, allow_nan=False))
    else:
        _print_judgement(options, detector, judgement)
    if options.out is not None:
        _explain(options, data, detector, methods, settings)


def _print_judgement(options: argparse.Namespace, detector: "Detector", judgement: dict[str, Any]) -> None:
    """Print the answer, and what the detector computes: its verdict, and under how many filters it is the other."""
    import numpy as np

    from core.detectors.known import caution_of
    from core.images.labels import other_class, verdict_of

    print(f"{options.image.name}: {judgement['answer']}. {judgement['sentence']}")
    nothing = ", from which nothing follows"
    if judgement["scope"] in ("in scope", "signs"):
        nothing = ""
    by_filter = judgement["raw"]["filters"]
    margin = judgement["raw"]["margin"]
    verdict = verdict_of(margin)
    beside = ""
    if len(by_filter) > 1:
        others = sum(verdict_of(other) != verdict for other in by_filter.values())
        beside = f", {other_class(verdict)} under {others} of {len(by_filter)} filters"
    (p_real,) = detector.p_real(np.array([margin], np.float32))
    raw = f"{verdict}, margin {margin:+.2f} (logits; above 0 is REAL), p_real {p_real:.3f}{beside}"
    print(f"Raw output{nothing}: {raw}")
    caution = caution_of(detector.manifest)
    if caution:
        print(caution)


def _explain(
    options: argparse.Namespace,
    data: bytes,
    detector: "Detector",
    methods: "Sequence[AnyExplainer]",
    settings: "Sequence[ExplainerSettings]",
) -> None:
    """Write the explanations by the methods that suit the detector; one that is asked for by name must."""
    from core.explainers.settings import ExplanationError
    from core.images.decoding import decode
    from core.images.preprocessing import prepare_pixels
    from core.report.explanation_page import write_explanations

    ready = prepare_pixels(decode(data), detector.preprocessing)
    refusals = [method.unavailable(detector.about) for method in methods]
    if any(refusals) and (options.method or all(refusals)):
        raise ExplanationError(next(filter(None, refusals)))
    explanations = []
    for method, own, refusal in zip(methods, settings, refusals, strict=True):
        if not refusal:
            explanations.append((method, method.explain_fully(detector, ready.seen(ready.usual), own)))
    notes = []
    if not ready.whole:
        note = f"The picture was read at {ready.width} x {ready.height} pixels. {ready.describe(ready.usual)}"
        if ready.resized:
            note += " The choice of resampling filter alone can flip this detector's verdict."
        notes.append(note)
    explained = [explanation for _, explanation in explanations]
    write_explanations(options.out, explained, title=options.image.name, notes=notes)
    if options.json:
        return
    for method, explanation in explanations:
        print(f"{method.title}: {explanation.diagnostics.sentence or 'both signs, not flat.'}")
    print(f"Written to {options.out}")


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
