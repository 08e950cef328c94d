"""The file of the study: a row for each network and each version that it was tested on. Reading needs no torch.

Its own metadata holds, as JSON under `telltale`, what the columns and versions are, the recipe, the fingerprints of
both image sets, and a sha256 over the values; a reader refuses a file that was changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.runs.folders import command_homes
from core.storage import ContractError, is_plain_name
from core.studies.sealed import read_sealed, write_sealed

SCHEMA = 1
FOLDER = "cues"
COLUMNS = {
    "trained": "the version that the network was trained on",
    "tested": "the version that it was tested on",
    "seed": "of weights, order and augmentation",
    "images_fake": "FAKE test images",
    "images_real": "REAL test images",
    "right_fake": "FAKE test images called FAKE",
    "right_real": "REAL test images called REAL",
    "seconds": "that training and tests of this network took",
}
NUMBERS = tuple(COLUMNS)[2:]


@dataclass(frozen=True, eq=False)
class Results:
    """A file as read.

    Attributes:
        path: its place.
        table: the columns of `COLUMNS`.
        about: what the file says of itself: `set`, `set_fingerprint`, `training_set`, `training_fingerprint`,
            `training_images`, `of_fingerprint` (of the whole test set), `limit`, `recipe`, `edition`, `versions`
            (key -> title, family, keeps, control), `across`.
    """

    path: Path
    table: pd.DataFrame
    about: Mapping[str, Any]

    @property
    def versions(self) -> dict[str, dict[str, Any]]:
        """Key -> `title`, `family`, `keeps`, `control` of each version, in the order of the registry."""
        return dict(self.about["versions"])

    @property
    def done(self) -> set[tuple[str, int]]:
        """The (version, seed) of each network that has been trained."""
        return {(str(one), int(seed)) for one, seed in zip(self.table["trained"], self.table["seed"], strict=True)}


def empty_table() -> pd.DataFrame:
    """A table without a network."""
    return pd.DataFrame({name: pd.Series(dtype=_type(name)) for name in COLUMNS})


def write_results(path: Path, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
    """Write the file, whole or not at all; `columns`, `schema` and the sha256 of the values are added."""
    table = table[list(COLUMNS)].astype({name: _type(name) for name in COLUMNS})
    write_sealed(path, table, {**about, "study": FOLDER, "schema": SCHEMA, "columns": COLUMNS})


def read_results(path: Path) -> Results:
    """Read and verify a file.

    Raises:
        ContractError: not such a file, or changed since it was written; the message names it.
    """
    again = "restore it or make it again with `python -m core.studies.cues --data DATA --restart`"
    try:
        table, about, intact = read_sealed(path)
        fits = about.get("study") == FOLDER and about.get("schema") == SCHEMA and list(table) == list(COLUMNS)
    except FileNotFoundError:
        raise ContractError(f"{path} is missing; make it with `python -m core.studies.cues --data DATA`") from None
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(f"{path} is no readable study of cues ({type(error).__name__}); {again}") from None
    if not fits or not _described(about):
        raise ContractError(f"{path} is no study of cues, or of another version; {again}")
    if not intact:
        raise ContractError(f"{path} is not the file that was written (its sha256 differs); {again}")
    return Results(path, table, about)


def find_results(homes: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Find the files of this study by the name of their image set, a user's own first."""
    found: dict[str, Path] = {}
    for home in command_homes() if homes is None else homes:
        for path in sorted((home / FOLDER).glob("[!.]*.parquet")):
            if is_plain_name(path.stem):
                found.setdefault(path.stem, path)
    return found


def _type(name: str) -> str:
    return "float32" if name == "seconds" else "int64" if name in NUMBERS else "str"


def _described(about: Mapping[str, Any]) -> bool:
    """Whether what a file says of itself has the form that pages take."""
    versions = about.get("versions")
    texts = ("set", "set_fingerprint", "of_fingerprint", "training_set")
    return (
        isinstance(versions, dict)
        and all(
            isinstance(one, dict) and {"title", "family", "keeps", "control"} <= set(one) for one in versions.values()
        )
        and all(isinstance(about.get(name), str) for name in texts)
        and isinstance(about.get("training_images"), int)
    )
