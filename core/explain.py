"""`python -m core.explain IMAGE --out DIR`: what the dashboard's panels show, written to files."""

import argparse
import sys
from pathlib import Path

from core.system.console import started, starting

if __name__ == "__main__":
    # the libraries below take seconds to read
    starting("core.explain")

import numpy as np
from numpy.typing import NDArray

from core.detectors.storage import load_detector
from core.edits.masking import FILLS
from core.explainers.gradcam import explain_gradcam, explain_margin_map
from core.explainers.lime.regions import explain_lime_fully
from core.explainers.lime.segmentation import SEGMENTATIONS
from core.explainers.results import CAM_METHODS, CAM_STAGES, LimeSettings
from core.explainers.saving import SIZE, Result, Style, draw_result, save_npz, save_png
from core.images.decoding import MAX_BYTES, RESAMPLING, crop_square, decode, resize
from core.images.palette import PALETTES, Palette
from core.report.explanation import save_html
from core.runs.finding import find_detectors, find_named
from core.system.files import read_bytes


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what goes wrong is one sentence on standard error and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        detector = load_detector(find_detector(options.detector), device=options.device)
        image, notes = read_image(options.image, detector.side, resampling=options.resampling)
        settings = (
            LimeSettings.paper(seed=options.seed)
            if options.paper
            else LimeSettings(
                segmentation=options.segmentation,
                n_segments=options.segments,
                n_samples=options.samples,
                seed=options.seed,
                fill=options.fill,
            )
        )
        results: dict[str, Result] = {
            "LIME": explain_lime_fully(detector, image, settings=settings),
            "Grad-CAM": explain_gradcam(detector, image[None], stage=options.stage, method=options.method)[0],
            "Margin map": explain_margin_map(detector, image[None])[0],
        }
        write(options.out, results, title=options.image.name, notes=notes, palette=options.palette)
    except KeyboardInterrupt:
        print("\ncore.explain: stopped.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"core.explain: {error}", file=sys.stderr)
        return 2
    verdict = results["LIME"]
    print(f"{options.image.name}: {verdict.verdict}, margin {verdict.margin:+.2f}, p(REAL) {verdict.p_real:.3f}")
    for heading, result in results.items():
        print(f"{heading}: {result.health.sentence or 'both signs, not flat.'}")
    print(f"Written to {options.out}")
    return 0


def find_detector(name: str) -> Path:
    """The folder of a detector: a name in `detectors/` or `assets/detectors/`, or else a folder's own path.

    Raises:
        ContractError: there is none of that name.
    """
    return find_named(name, find_detectors(), "detector")


def read_image(path: Path, side: int, *, resampling: str = "bicubic") -> tuple[NDArray[np.uint8], list[str]]:
    """Any image file as uint8 (side, side, 3), and what was done to it in sentences.

    Raises:
        ImageError: it is no image that is read here.
        OSError: it cannot be opened.
    """
    image = decode(read_bytes(path, limit=MAX_BYTES))
    height, width = image.shape[:2]
    if (height, width) == (side, side):
        return image, []
    note = (
        f"The file has {width} x {height} pixels. Its middle square was resized to {side} x {side} ({resampling}); the "
        "choice of the resizing filter alone can turn this detector's verdict."
    )
    return resize(crop_square(image), side, resampling=resampling), [note]


def write(out: Path, results: dict[str, Result], *, title: str, notes: list[str], palette: Palette) -> None:
    """Write `lime`, `grad-cam` and `margin-map` as .npz and .png, and explanation.html, into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    style = Style(palette)
    for heading, result in results.items():
        stem = heading.lower().replace(" ", "-")
        save_npz(out / f"{stem}.npz", result)
        save_png(out / f"{stem}.png", draw_result(result, SIZE, style=style))
    save_html(out / "explanation.html", results, title=title, notes=notes, styles=dict.fromkeys(results, style))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.explain", description="Explain what a detector says of one image."
    )
    parser.add_argument("image", type=Path, help="an image file: PNG, JPEG or WebP")
    parser.add_argument("--detector", default="swift", help="a name in detectors/ or assets/detectors/, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--palette", choices=PALETTES, default="class")
    parser.add_argument(
        "--resampling", choices=tuple(RESAMPLING), default="bicubic", help="filter for images of another size"
    )
    lime = parser.add_argument_group("LIME")
    lime.add_argument(
        "--paper", action="store_true", help="lime's settings as in the paper; only --seed is read besides"
    )
    lime.add_argument("--segmentation", choices=SEGMENTATIONS, default=LimeSettings.segmentation)
    lime.add_argument("--segments", type=int, default=LimeSettings.n_segments, help="segments to ask for")
    lime.add_argument("--samples", type=int, default=LimeSettings.n_samples)
    lime.add_argument("--fill", choices=FILLS, default=LimeSettings.fill)
    lime.add_argument("--seed", type=int, default=LimeSettings.seed)
    cam = parser.add_argument_group("Grad-CAM")
    cam.add_argument("--stage", choices=CAM_STAGES, default="layer4")
    cam.add_argument("--method", choices=tuple(CAM_METHODS), default="GradCAM")
    return parser


if __name__ == "__main__":
    started()
    sys.exit(main())
