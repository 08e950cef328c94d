"""Train small networks on versions of an image set that keep one cue each, and test them on all versions.

python -m core cues --data data/cifake
python -m core cues --data data/cifake --limit 2000 --seeds 1       a quick look

Each network is kept as soon as it is tested: the same command goes on where a stopped one was.
"""

import argparse

from core.commands import DATA, add_fake_classes, add_out, add_skip_bad
from core.console import PROGRAM, command, importing, parser_of, show_progress

NAME = f"{PROGRAM} cues"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("cues", __doc__)
    parser.add_argument("--data", required=True, help=f"{DATA}, with training and test images, or 'sample'")
    add_fake_classes(parser)
    parser.add_argument("--seeds", type=int, default=3, help="networks for each version, default 3")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick look")
    add_out(parser, "gets cues/SET.parquet")
    add_skip_bad(parser)
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    if options.limit is not None and options.limit < 10:
        parser.error(f"--limit must be at least 10, not {options.limit}")
    return options


@command(NAME, parse, stopped="finished networks are kept, the same command goes on")
def main(options: argparse.Namespace) -> None:
    """Train and test the networks that the command line asks for."""
    with importing(NAME):
        from tqdm import tqdm

        from core.cues.cues import FOLDER, run
        from core.images.image_set import DataPath
        from core.images.loading import load_with_bar

    data = DataPath(options.data, options.fake_classes)
    train = load_with_bar(data, "train", skip_bad=options.skip_bad).needing_both()
    test = load_with_bar(data, "test", skip_bad=options.skip_bad).needing_both()
    with show_progress("training", unit="steps") as progress:
        path = run(
            train,
            test,
            folder=options.out / FOLDER,
            seeds=options.seeds,
            limit=options.limit,
            report=tqdm.write,
            progress=progress,
        )
    print(f"Written: {path}")
