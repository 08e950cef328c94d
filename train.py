"""Train a detector, test it once, and write it with its run: `python train.py --help`, the same as `telltale train`."""

import sys

from core.commands.train import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
