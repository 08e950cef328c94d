"""Small image sets in every layout, written as people publish them, and what they hold."""

import csv
import io
import json
import tarfile
import zipfile
from itertools import product
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.images.encoding import encode_png
from tests.conftest import noise

SIDE = 16


class Truth(NamedTuple):
    """What is known of a picture: its class, where it comes from, what it shows, and its split."""

    label: str
    source: str | None = None
    category: str | None = None
    split: str = "test"


def picture(number):
    """A PNG that no other number gives."""
    return encode_png(noise(SIDE, SIDE, seed=number))


def write(root, names):
    """Write a picture at each of these places."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number))


ZERO_ONE = {"0_real": "REAL", "1_fake": "FAKE"}


def _tree(root, pattern, classes, *splits, places):
    """Write two pictures for each place (name -> source and category), split and folder of a class."""
    found = {}
    for (place, shown), split, (folder, label), n in product(places.items(), splits, classes.items(), range(2)):
        truth = Truth(label, *shown, split="train" if split == "train" else "test")
        found[pattern.format(place=place, split=split, folder=folder, n=n)] = truth
    write(root, found)
    return found


def real_fake(root):
    classes, places = {"REAL": "REAL", "FAKE": "FAKE"}, {"": (None, "cat")}
    return _tree(root, "{split}/{folder}/cat-{n}.png", classes, "train", "test", places=places)


def zero_one(root):
    # as CNNDetection's test set: some generators have categories, others have none
    places = {"progan/car": ("progan", "car"), "progan/dog": ("progan", "dog"), "biggan": ("biggan", None)}
    return _tree(root, "{place}/{folder}/{n}.png", ZERO_ONE, "test", places=places)


def genimage(root):
    places = {name: (name,) for name in ("ADM", "stable_diffusion_v_1_4")}
    classes = {"nature": "REAL", "ai": "FAKE"}
    return _tree(root, "{place}/{split}/{folder}/{n}.PNG", classes, "train", "val", places=places)


def generator_label(root):
    places = {name: (name,) for name in ("midjourney", "canon")}
    return _tree(root, "{place}/{folder}/{n}.webp.png", {"Real": "REAL", "generated": "FAKE"}, "test", places=places)


def image_folder(root):
    found = {}
    for name, label in {"flickr": "REAL", "biggan": "FAKE", "sd14": "FAKE"}.items():
        found |= _tree(root, "{split}/{folder}/{n}.png", {name: label}, "train", "test", places={"": (name,)})
    return found


def metadata_csv(root):
    found = {}
    for split in ("train", "validation"):
        rows = [("file_name", "label", "generator")]
        for n in range(4):
            label, source = ("real", "") if n % 2 else ("fake", "dalle, 3")
            found[f"{split}/{n}.png"] = Truth(
                label.upper(), source or None, None, "train" if split == "train" else "test"
            )
            rows.append((f"{n}.png", label, source))
        (root / split).mkdir(parents=True)
        with (root / split / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    write(root, found)
    return found


def paths(root):
    found = {f"some/{n}.png": Truth("FAKE" if n < 2 else "REAL", "dcgan" if n < 2 else "nikon") for n in range(4)}
    found |= {f"more/{n}.png": Truth("FAKE" if n < 2 else "REAL", "dcgan", None, "train") for n in range(4)}
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["Path", "Label", "Source", "Split"])
    for name, truth in found.items():
        rows.writerow([name, truth.label.lower(), truth.source, truth.split])
    root.mkdir(parents=True)
    (root / "all.csv").write_text(text.getvalue(), encoding="utf-8-sig")
    # beside it, a table of something else
    (root / "notes.csv").write_text("key,value\na,b\n")
    write(root, found)
    return found


def parquet(root):
    names = ["human", "ai"]
    found = {}
    for split, first in (("train", 0), ("validation", 10)):
        images = [{"bytes": picture(first + n), "path": f"{n}.png"} for n in range(6)]
        labels = [n % 2 for n in range(6)]
        sources = [f"model {n % 3}" for n in range(6)]
        table = pa.table({"image": images, "label": labels, "generator": sources})
        about = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        (root / "data").mkdir(parents=True, exist_ok=True)
        file = f"data/{split}-00000-of-00001.parquet"
        # small groups, so that reading goes from one to the next
        pq.write_table(table, root / file, row_group_size=4)
        for n in range(6):
            split_read = "train" if split == "train" else "test"
            found[f"{file}/{n:07d}.png"] = Truth(("REAL", "FAKE")[n % 2], f"model {n % 3}", None, split_read)
    return found


# name -> what writes it, and which classes a user has to state
LAYOUTS = {
    "real_fake": (real_fake, ()),
    "zero_one": (zero_one, ()),
    "genimage": (genimage, ()),
    "generator_label": (generator_label, ()),
    "image_folder": (image_folder, ("biggan", "sd14")),
    "metadata_csv": (metadata_csv, ()),
    "paths": (paths, ()),
    "parquet": (parquet, ("ai",)),
}
ARCHIVES = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}


def packed(folder, kind, *, prefix=""):
    """Pack a folder as "zip", "tar", "tar.gz" or "tar.xz"; returns the folder itself for "folder"."""
    if kind == "folder":
        return folder
    path = folder.parent / f"{folder.name}.{kind}"
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, prefix + file.relative_to(folder).as_posix())
        return path
    with tarfile.open(path, ARCHIVES[kind]) as archive:
        # not in the order of the names
        for file in reversed(files):
            archive.add(file, prefix + file.relative_to(folder).as_posix())
    return path
