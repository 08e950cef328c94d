"""Small image sets in every layout, written as people publish them, and what they hold."""

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.images.encoding import encode_png

SIDE = 16


class Truth(NamedTuple):
    """What is known of a picture: its class, where it comes from, what it shows, and its split."""

    label: str
    source: str | None = None
    category: str | None = None
    split: str = "test"


def picture(number: int) -> bytes:
    """A PNG that no other number gives."""
    return encode_png(np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8))


def write(root: Path, names: Iterable[str], *, first: int = 0) -> None:
    """Write a picture at each of these places."""
    for number, name in enumerate(names, start=first):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number))


Write = Callable[[Path], dict[str, Truth]]


def _written(root: Path, truths: dict[str, Truth]) -> dict[str, Truth]:
    write(root, truths)
    return truths


def real_fake(root: Path) -> dict[str, Truth]:
    found = {}
    for split in ("train", "test"):
        for label in ("REAL", "FAKE"):
            found |= {f"{split}/{label}/cat-{n}.png": Truth(label, None, "cat", split) for n in range(2)}
    return _written(root, found)


def zero_one(root: Path) -> dict[str, Truth]:
    # as CNNDetection's test set: some generators have categories, others have none
    found = {}
    for place, source, category in (("progan/car", "progan", "car"), ("progan/dog", "progan", "dog"),
                                    ("biggan", "biggan", None)):  # fmt: skip
        for folder, label in (("0_real", "REAL"), ("1_fake", "FAKE")):
            found |= {f"{place}/{folder}/{n}.png": Truth(label, source, category) for n in range(2)}
    return _written(root, found)


def zero_one_of_splits(root: Path) -> dict[str, Truth]:
    found = {}
    for split in ("train", "val"):
        for folder, label in (("0_real", "REAL"), ("1_fake", "FAKE")):
            read_as = "test" if split == "val" else split
            found |= {f"{split}/{folder}/{n}.png": Truth(label, split=read_as) for n in range(2)}
    return _written(root, found)


def genimage(root: Path) -> dict[str, Truth]:
    found = {}
    for generator in ("ADM", "stable_diffusion_v_1_4"):
        for split in ("train", "val"):
            for folder, label in (("nature", "REAL"), ("ai", "FAKE")):
                read_as = "test" if split == "val" else split
                truth = Truth(label, generator, None, read_as)
                found |= {f"{generator}/{split}/{folder}/{n}.PNG": truth for n in range(2)}
    return _written(root, found)


def generator_label(root: Path) -> dict[str, Truth]:
    found = {}
    for generator in ("midjourney", "canon"):
        for folder, label in (("Real", "REAL"), ("generated", "FAKE")):
            found |= {f"{generator}/{folder}/{n}.webp.png": Truth(label, generator) for n in range(2)}
    return _written(root, found)


def image_folder(root: Path) -> dict[str, Truth]:
    found = {}
    for split in ("train", "test"):
        for name in ("flickr", "biggan", "sd14"):
            label = "REAL" if name == "flickr" else "FAKE"
            found |= {f"{split}/{name}/{n}.png": Truth(label, name, None, split) for n in range(2)}
    return _written(root, found)


def metadata_csv(root: Path) -> dict[str, Truth]:
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
    return _written(root, found)


def metadata_jsonl(root: Path) -> dict[str, Truth]:
    found = {f"images/{n}.png": Truth("FAKE" if n % 2 else "REAL", f"s{n % 3}") for n in range(4)}
    rows = [{"file_name": f"images/{n}.png", "label": n % 2, "source": f"s{n % 3}", "text": "…"} for n in range(4)]
    root.mkdir(parents=True)
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return _written(root, found)


def paths(root: Path) -> dict[str, Truth]:
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
    return _written(root, found)


def parquet(root: Path) -> dict[str, Truth]:
    names = ["human", "ai"]
    found: dict[str, Truth] = {}
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
LAYOUTS: dict[str, tuple[Write, tuple[str, ...]]] = {
    "real_fake": (real_fake, ()),
    "zero_one": (zero_one, ()),
    "zero_one_of_splits": (zero_one_of_splits, ()),
    "genimage": (genimage, ()),
    "generator_label": (generator_label, ()),
    "image_folder": (image_folder, ("biggan", "sd14")),
    "metadata_csv": (metadata_csv, ()),
    "metadata_jsonl": (metadata_jsonl, ("1",)),
    "paths": (paths, ()),
    "parquet": (parquet, ("ai",)),
}
ARCHIVES = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}


def packed(folder: Path, kind: str, *, prefix: str = "") -> Path:
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
    with tarfile.open(path, ARCHIVES[kind]) as archive:  # type: ignore[call-overload]
        # not in the order of the names
        for file in reversed(files):
            archive.add(file, prefix + file.relative_to(folder).as_posix())
    return path
