"""A nasty home: every text of somebody else tries to be Markdown, HTML or a formula, and files lack or are damaged."""

import json
import shutil

import pandas as pd

from core.detectors.storage import load_detector
from core.homes import ROOT
from core.images.labels import CLASSES
from core.runs.run import read_run
from core.runs.tags import Tags
from core.storage.limits import MANIFEST
from core.studies.store import read_study, write_study
from tests import damage as d

RUN = "sample@sample-test"
DETECTOR = "sample"
TRAP_DETECTOR = "![b](x) **sample**"
# the same without maps and features
BARE = "bare@sample-test"
TAG = "![b](//{host}/tag.png)"


def payload(host):
    """A text that asks for pictures of a host in every way that Markdown and HTML know.

    Args:
        host: a name and a port.
    """
    return (
        f"![b](http://{host}/a.png) <img src=http://{host}/b.png> [link](http://{host}/c) :red[red] **bold** $x^2$ "
        f"$\\bad$ `code` :material/home: :smile: http://{host}/d"
    )


def make_strange(home, host):
    """Fill a folder with the sample's detector and run, where every text is `payload`.

    Args:
        home: the folder, which is made.
        host: see `payload`.
    """
    text = payload(host)
    shutil.copytree(ROOT / "assets" / "detectors" / DETECTOR, home / "detectors" / DETECTOR)
    shutil.copytree(ROOT / "assets" / "runs" / RUN, home / "runs" / RUN)
    folder = home / "detectors" / DETECTOR
    (folder / "README.md").write_text(f"# {text}\n\n{text}\n\n![b][r]\n\n[r]: http://{host}/r.png\n")
    said = json.loads((folder / MANIFEST).read_text())
    recipe = {**said["recipe"], "name": text, text: text}
    d.reseal(folder, training_set=text, recipe=recipe, computed_in=text)
    shutil.copytree(folder, home / "detectors" / TRAP_DETECTOR)
    # one that is refused, with its name in the sentence
    shutil.copytree(folder, home / "detectors" / f"{TRAP_DETECTOR} 2")
    (home / "detectors" / f"{TRAP_DETECTOR} 2" / "weights.safetensors").write_bytes(b"")
    run = home / "runs" / RUN
    file = run / "predictions.parquet"
    table = pd.read_parquet(file)
    labels = table["label"]
    table["category"] = pd.Series([f"{text} {number % 3}" for number in range(len(table))], dtype="category")
    table["name"] = [f"{label}/{text}-{number}.png" for number, label in enumerate(labels)]
    assert set(labels) == set(CLASSES)
    table.to_parquet(file, index=False)
    manifest = json.loads((run / MANIFEST).read_text())
    versions = {**manifest["versions"], text: text}
    named = {"set": "sample-![b](x) **test**", "versions": versions, "created": text, "skipped": [text]}
    d.reseal(run, detector=TRAP_DETECTOR, detector_sha256=load_detector(folder, device="cpu").sha256, **named)
    for path in sorted((run / "studies").glob("*.parquet")):
        _strange_study(path, text)
    bare = shutil.copytree(run, home / "runs" / BARE)
    manifest = json.loads((bare / MANIFEST).read_text())
    left_out = ("maps.npy", "features.npy")
    for name in left_out:
        (bare / name).unlink()
    kept = {name: digest for name, digest in manifest["files"].items() if name not in left_out}
    d.reseal(bare, files=kept, target_layer=None)
    studies = sorted((run / "studies").glob("*.parquet"))
    d.cut(0.5)(studies[len(studies) // 2])
    shutil.copytree(run, home / "runs" / "![b](x) **broken**@sample-test")
    (home / "runs" / "![b](x) **broken**@sample-test" / MANIFEST).write_text("{")


def _strange_study(path, text):
    answer = read_study(path)
    about = dict(answer.about)
    about |= {name: f"{text} {about[name]}" for name in ("title", "question", "control")}
    about["created"] = text
    about["columns"] = {name: f"{text} {said}" for name, said in about["columns"].items()}
    about["parameters"] = about["parameters"] | {text: text}
    write_study(path, answer.table, about)


def put_tags(cache, home, host):
    """Tag images with a text of that kind, and write notes."""
    tags = Tags(cache / "tags.sqlite")
    ids = list(read_run(home / "runs" / RUN).predictions["id"][:40])
    tags.add(ids, TAG.format(host=host)[:40])
    tags.add(ids, "**bold** $x^2$ `code` :smile:")
    for id_ in ids:
        tags.note(id_, payload(host))
