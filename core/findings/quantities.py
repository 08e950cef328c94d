"""The quantities that findings measure, each with its unit."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["share", "margins", "correlation", "auroc", "silhouette"]


@dataclass(frozen=True)
class Quantity:
    """The measured quantity.

    Attributes:
        label: the term, for a heading or a table's cell.
        unit: how a value is written; shares and AUROCs are 0 to 1.
        counted: it only says how many there are, for which there is no control.
    """

    label: str
    unit: Unit
    counted: bool = False


QUANTITIES: dict[str, Quantity] = {
    "flip_rate": Quantity("verdicts flipped", "share"),
    "faithfulness": Quantity("faithfulness", "margins"),
    "rank_correlation": Quantity("rank correlation", "correlation"),
    "beyond_chance": Quantity("images that agree beyond chance", "share"),
    "residual_correlation": Quantity("rank correlation after randomisation", "correlation"),
    "reversed_signs": Quantity("certain signs reversed", "share"),
    "held_signs": Quantity("certain signs that hold", "share"),
    "one_colour": Quantity("one-colour maps", "share"),
    "cue_auroc": Quantity("AUROC of a cue alone", "auroc"),
    "matched_auroc": Quantity("AUROC of the detector on matched images", "auroc"),
    "ring_auroc": Quantity("AUROC of a ring's power", "auroc"),
    "called_real": Quantity("called REAL", "share"),
    "called_fake": Quantity("called FAKE", "share"),
    "filter_dependent": Quantity("verdicts that depend on the filter", "share"),
    "confidence": Quantity("mean confidence", "share"),
    "label_agreement": Quantity("nearest images of the same class", "share"),
    "grey_share": Quantity("images that are wholly grey", "share"),
    "error_rate": Quantity("error rate", "share"),
    "accuracy": Quantity("accuracy", "share"),
    "recall": Quantity("recall", "share"),
    "auroc": Quantity("AUROC", "auroc"),
    "cue_accuracy": Quantity("accuracy from a cue alone", "share"),
    "both_wrong": Quantity("images that both get wrong", "share"),
    "overconfidence": Quantity("mean confidence less accuracy", "share"),
    "controlled_flips": Quantity("verdicts flipped beyond the control", "share"),
    "right_share": Quantity("verdicts that are right among as many of each class", "share"),
    "unfamiliar": Quantity("familiar images that are taken for unfamiliar", "share"),
    "silhouette": Quantity("mean silhouette", "silhouette"),
    "copies": Quantity("copies", "share", counted=True),
    "file_kind": Quantity("files of this kind", "share", counted=True),
}
