"""Print how well each image fact alone tells the sample's classes apart.

    python -m assets.sample.facts

A fact's AUROC is the chance that a random REAL image has more of it than a random FAKE one: 0.5 tells nothing apart.
"""

import pandas as pd
from sklearn.metrics import roc_auc_score

from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.images.statistics import STATISTICS


def fact_aurocs(images: ImageSet) -> pd.Series:
    """AUROC between the classes, 0..1, of each of `core.images.statistics.STATISTICS`."""
    return pd.Series({fact: roc_auc_score(images.labels, images.rows[fact]) for fact in STATISTICS})


def main() -> None:
    table = pd.DataFrame({split: fact_aurocs(load_image_set("sample", split)) for split in ("train", "test")})
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
