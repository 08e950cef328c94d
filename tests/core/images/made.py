"""Small image sets in every layout, written as people publish them, and what they hold."""

import json
import tarfile
import zipfile
from itertools import product
from typing import NamedTuple

import pandas as pd
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


def _listed(root, names, sources):
    """Write two FAKE and two REAL pictures in folders (name -> split); returns what they are, and that as a table."""
    found = {}
    for (place, split), n in product(names.items(), range(4)):
        found[f"{place}/{n}.png"] = Truth(("FAKE", "REAL")[n // 2], sources[n // 2], None, split)
    write(root, found)
    return found, pd.DataFrame(list(found.values()), found.keys()).rename_axis("path").reset_index()


def metadata_csv(root):
    found, table = _listed(root, {"train": "train", "validation": "test"}, ("dalle, 3", None))
    for split, rows in table.groupby(table["path"].str.partition("/")[0]):
        named = rows.assign(file_name=rows["path"].str.partition("/")[2], generator=rows["source"])
        named[["file_name", "label", "generator"]].to_csv(root / split / "metadata.csv", index=False)
    return found


def paths(root):
    found, table = _listed(root, {"some": "test", "more": "train"}, ("dcgan", "nikon"))
    table.drop(columns="category").rename(columns=str.title).to_csv(root / "all.csv", index=False, encoding="utf-8-sig")
    # beside it, a table of something else
    (root / "notes.csv").write_text("key,value\na,b\n")
    return found


def parquet(root):
    labels = {"names": ["human", "ai"], "_type": "ClassLabel"}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": labels}}}
    found = {}
    for split, first in (("train", 0), ("validation", 10)):
        columns = {"image": [], "label": [], "generator": []}
        file = f"data/{split}-00000-of-00001.parquet"
        for n in range(6):
            columns["image"].append({"bytes": picture(first + n), "path": f"{n}.png"})
            columns["label"].append(n % 2)
            columns["generator"].append(f"model {n % 3}")
            truth = Truth(("REAL", "FAKE")[n % 2], f"model {n % 3}", None, "train" if split == "train" else "test")
            found[f"{file}/{n:07d}.png"] = truth
        table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(about)})
        (root / "data").mkdir(parents=True, exist_ok=True)
        # small groups, so that reading goes from one to the next
        pq.write_table(table, root / file, row_group_size=4)
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
