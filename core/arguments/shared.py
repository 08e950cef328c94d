"""Options that several commands have."""

import argparse

# the run that studies, thresholds and findings are of where none is named
RUN = "swift@cifake-test"
DATA = "a folder, .zip, .tar, .csv or .parquet of images (see docs/data.md)"
TEST_DATA = f"{DATA}, 'github', 'sample' or 'cifake-test'"


def add_fake_classes(parser: argparse.ArgumentParser) -> None:
    """Add --fake-classes, which goes with --data."""
    help_ = "classes that are FAKE, where folders or labels do not say so"
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=help_)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; default: auto")


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add --skip-bad."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be used")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine and --address, which choose what computes a command's shards."""
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="ray: all cores and GPUs at once; default: local"
    )
    parser.add_argument("--address", help="of a Ray cluster, for --engine ray; default: this machine alone")
