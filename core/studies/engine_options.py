"""The options of a command that say where it computes."""

import argparse


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine and --address."""
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: all cores and GPUs at once")
    parser.add_argument("--address", help="of a Ray cluster, for --engine ray; default: this machine alone")


def check_engine(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with a usage error if --address is given without --engine ray."""
    if options.address is not None and options.engine != "ray":
        parser.error("--address names a Ray cluster; give --engine ray with it")
