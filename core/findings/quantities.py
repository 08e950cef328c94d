"""The quantities that findings measure, each with its unit and the direction that is good."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["share", "margins", "correlation", "auroc", "silhouette"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Quantity:
    """What is measured.

    Attributes:
        label: the term, for a heading or a table's cell.
        unit: how a value is written; shares and AUROCs are 0 to 1.
        better: which direction is good.
        counted: it only says how many there are, for which there is no control.
    """

    label: str
    unit: Unit
    better: Better = "neither"
    counted: bool = False


QUANTITIES: dict[str, Quantity] = {
    "flip_rate": Quantity("verdicts flipped", "share"),
    "faithfulness": Quantity("faithfulness", "margins", "higher"),
    "rank_correlation": Quantity("rank correlation", "correlation", "higher"),
    "beyond_chance": Quantity("images that agree beyond chance", "share", "higher"),
    "residual_correlation": Quantity("rank correlation after randomisation", "correlation", "lower"),
    "one_colour": Quantity("one-colour maps", "share", "lower"),
    "cue_auroc": Quantity("AUROC of a cue alone", "auroc", "lower"),
    "matched_auroc": Quantity("AUROC of the detector on matched images", "auroc", "higher"),
    "ring_auroc": Quantity("AUROC of a ring's power", "auroc"),
    "called_real": Quantity("called REAL", "share", "lower"),
    "called_fake": Quantity("called FAKE", "share", "lower"),
    "filter_dependent": Quantity("verdicts that depend on the filter", "share", "lower"),
    "confidence": Quantity("mean confidence", "share"),
    "label_agreement": Quantity("nearest images of the same class", "share", "higher"),
    "error_rate": Quantity("error rate", "share", "lower"),
    "silhouette": Quantity("mean silhouette", "silhouette", "higher"),
    "copies": Quantity("copies", "share", "lower", counted=True),
    "file_kind": Quantity("files of this kind", "share", counted=True),
}
