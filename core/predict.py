"""Make a run of an existing detector on another image set."""

import argparse
import sys
from dataclasses import replace
from functools import partial

import pandas as pd

from core.arguments.predict import parse
from core.console import PROGRAM, command, show_progress
from core.detectors.storage import load_detector
from core.homes import homes
from core.images.image_set import DataPath, split_of
from core.images.loading import load_with_bar, reading_bar
from core.runs.folders import find_detectors, find_named
from core.runs.passes import PassWork, pass_in_shards, remove_shards
from core.runs.run import read_run
from core.runs.summary import print_run
from core.runs.writing import write_run
from core.storage.limits import is_plain_name
from core.studies.questions.neighbours import find_training_set
from core.studies.ray_engine import engine_of

# what is left after Ctrl-C
STOPPED = "no run was written; finished shards are kept, give the same command again"


@command(f"{PROGRAM} predict", parse, stopped=STOPPED)
def main(options: argparse.Namespace) -> None:
    """Write the run that the command line asks for."""
    if options.name and (not is_plain_name(options.name) or "@" in options.name or split_of(options.name) == "train"):
        raise ValueError(f"a set's name has no slash and no @ and does not end in -train, unlike {options.name!r}")
    data = DataPath(options.data, options.fake_classes.split(","))
    detectors = find_detectors((options.out, *homes()))
    folder = find_named(options.detector, detectors, "detector")
    detector = load_detector(folder, device=options.device)
    images = load_with_bar(data, "test", fit=detector.preprocessing, skip_bad=options.skip_bad)
    images = replace(images, name=options.name or images.name)
    seen = options.seen or detector.manifest.get("training_sources")
    if unknown := set(options.seen or ()).difference(images.rows.get("source", pd.Series(dtype=str))):
        raise ValueError(f"{images.name} has no source {', '.join(sorted(unknown))}, which --seen names")
    with reading_bar("train") as progress:
        training = find_training_set(detector, data, progress=progress)
    if training is None:
        print(f"{PROGRAM} predict: the training images are missing, so leaks were not checked.", file=sys.stderr)
    work = PassWork(folder, data, detector, images, skip_bad=options.skip_bad)
    with show_progress("testing") as progress:
        path = write_run(
            options.out,
            detector,
            images,
            train_sha256=None if training is None else frozenset(training.rows["sha256"]),
            ship_images=options.data == "sample",
            seen=seen,
            replace=options.replace,
            run_pass=partial(pass_in_shards, work, detector, images, engine=engine_of(options), progress=progress),
        )
    remove_shards(detector, images)
    print_run(read_run(path), as_json=options.json)
