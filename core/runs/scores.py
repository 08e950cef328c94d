"""Tables of scores, from which a run is made of a detector that is not here."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from core.arrays import Float64, Floats
from core.detectors.detector import grouped
from core.detectors.manifest import Classes
from core.images.image_set import DataPath, ImageSet
from core.images.loading import common_side, reading_bar
from core.images.tables import PATH, column_of
from core.storage.limits import open_file, printable, read_table

# runs are of single precision; the difference of two scores is, too
LARGEST = np.finfo(np.float32).max / 4
# pixels a side: no detector is asked about the images, which are read to be shown alone
SHOWN = 256
SCORE = ("score", "p_fake", "probability", "prob", "margin", "logit")


def shown_side(data: DataPath) -> int:
    """Return the side in pixels at which images are read: their own, or `SHOWN` where they are larger or differ."""
    with reading_bar("test") as progress:
        side = common_side(data, "test", progress=progress)
    return min(side, SHOWN) or SHOWN


def read_scores(file: Path) -> pd.DataFrame:
    """Read a table of scores: `sha256` or `path`, str, and `score`, float64.

    Raises:
        ValueError: it lacks a column, or a score is no finite number up to `LARGEST`.
        OSError: it cannot be read.
    """
    if file.suffix.lower() == ".parquet":
        table = read_table(file).to_pandas()
    else:
        with open_file(file) as opened:
            table = pd.read_csv(opened, dtype=str, keep_default_na=False)
    score = column_of(table, SCORE)
    name = "sha256"
    key = column_of(table, (name,))
    if key is None:
        name = "path"
        key = column_of(table, PATH)
    if score is None or key is None:
        raise ValueError(f"{file} needs a column path or sha256 and a column score; it has {', '.join(table)}")
    values = pd.to_numeric(table[score], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
    if len(bad):
        raise ValueError(
            f"{file} has no finite number as the score of {len(bad)} rows, first row {bad[0] + 1}; give numbers up to "
            f"{LARGEST:.0e}"
        )
    return pd.DataFrame({name: table[key].astype(str), "score": values})


def join_scores(
    table: pd.DataFrame, images: ImageSet, where: str, *, skip_bad: bool = False
) -> tuple[ImageSet, Float64]:
    """Find the score of each image, by hash or by the end of its path.

    Args:
        table: from `read_scores`.
        images: the set.
        where: the table's file, for messages.
        skip_bad: leave out images without a score instead of refusing.

    Returns:
        The images that have a score, and float64 (N,) their scores.

    Raises:
        ValueError: images lack scores, or two files have paths that end alike.
    """
    if "sha256" in table:
        keys = table["sha256"].str.lower()
        wanted = images.rows["sha256"].astype(str)
        ambiguous = keys[keys.duplicated()]
    else:
        paths = table["path"].str.replace("\\", "/")
        names = images.rows["name"].astype(str).str.replace("\\", "/")
        # as much of their ends as all of both have
        depth = 1 + min(paths.str.count("/").min(), names.str.count("/").min())
        keys = paths.str.split("/").str[-depth:].str.join("/")
        wanted = names.str.split("/").str[-depth:].str.join("/")
        ambiguous = pd.concat([keys[keys.duplicated()], wanted[wanted.duplicated()]])
    if len(ambiguous):
        raise ValueError(f"{where}: several files are {printable(ambiguous.iloc[0])}; give longer paths, or sha256")
    scores = pd.Series(table["score"].to_numpy(), keys).reindex(wanted).to_numpy(np.float64, copy=True)
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing) == len(images) or (len(missing) and not skip_bad):
        first = printable(images.rows["name"].iloc[missing[0]])
        raise ValueError(
            f"{where} has no score for {len(missing):,} of {len(images):,} images, first {first}; add them, or pass "
            "--skip-bad"
        )
    if not len(missing):
        return images, scores
    there = np.flatnonzero(~np.isnan(scores))
    return images.subset(there), scores[there]


def logits_of(scores: Float64, classes: Classes, where: str) -> Floats:
    """Turn scores, (N,), into the logits of FAKE and REAL, (N, 2).

    Args:
        scores: of each image.
        classes: what they are scores of.
        where: the table's file, for messages.

    Raises:
        ValueError: probabilities lie outside 0 to 1.
    """
    if classes.outputs == "probabilities" and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(f"{where} has scores outside 0 to 1; say --outputs logits, perhaps with --threshold")
    return grouped(torch.from_numpy(scores)[:, None], classes).numpy()
