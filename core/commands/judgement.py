"""Set the threshold by which a picture is judged, on images that the detector held out of its training.

python -m core judgement --run swift@cifake-test --data data/cifake
"""

import argparse

from core.commands import DATA, RUN, add_device, add_fake_classes
from core.console import PROGRAM, command, importing, parser_of

NAME = f"{PROGRAM} judgement"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("judgement", __doc__)
    parser.add_argument("--run", default=RUN, help="a run of it; default: %(default)s")
    parser.add_argument("--data", required=True, help=f"images that it was trained on: {DATA}")
    add_fake_classes(parser)
    add_device(parser)
    return parser.parse_args(arguments)


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Write the threshold that the command line asks for."""
    with importing(NAME):
        from core.runs.folders import find_run

        folder = find_run(options.run)

        from core.answers.judgement import calibrate, write_threshold
        from core.detectors.storage import load_detector
        from core.runs.run import read_run
        from core.studies.runner import find_source
        from core.studies.study import StudyError

    source = find_source(folder, data=options.data, fake_classes=options.fake_classes, device=options.device)
    if source.detector is None:
        raise StudyError(f"{source.run} has scores alone and no detector to judge by; name another run")
    run = read_run(source.run)
    detector = load_detector(source.detector, device=source.device)
    path = write_threshold(run.path, calibrate(run, detector, source.data))
    print(f"{path.read_text(encoding='utf-8')}Written: {path}")
