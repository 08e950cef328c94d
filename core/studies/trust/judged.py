"""The explainers that the studies of explanations judge, and their settings. Needs no torch.

These are all registered explainers that give a map in at most `MOST` forward passes per image; costlier ones are meant
for single images, not for thousands. Columns of studies are named after the explainer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import pandas as pd

from core.explainers.explainer import AnyExplainer
from core.explainers.registry import DEFAULT, explainers
from core.explainers.settings import ExplainerSettings, from_json
from core.explainers.stored import KEPT
from core.perturbations.masking import Fill

# forward passes an image: of those that are judged, and of those that are cheap enough to be asked often
MOST, CHEAP = 512, 16
# in columns: what the same fill says with another draw of the samples: the control
SEED = "seed"


def judged() -> dict[str, AnyExplainer]:
    """Name -> explainer, in the order of the registry."""
    return {one.name: one for one in explainers(with_map=True) if cost_of(one) <= MOST}


def cost_of(explainer: AnyExplainer) -> int:
    """Forward passes an image with the settings that it is judged with, for a detector of the usual size."""
    return explainer.cost(explainer.settings())


def has_seed(explainer: AnyExplainer) -> bool:
    """Whether it draws anything at random."""
    return any(one.name == "seed" for one in fields(explainer.settings))


def settings_of(explainer: AnyExplainer, seed: int) -> ExplainerSettings:
    """Its default settings, with a seed where it has one."""
    found: ExplainerSettings = from_json(explainer.settings, {"seed": seed} if has_seed(explainer) else {})
    return found


def covering() -> dict[str, AnyExplainer]:
    """Name -> explainer, of those that are judged and cover parts of the image."""
    return {name: one for name, one in judged().items() if one.under_fills(settings_of(one, 0))}


def own_fill(explainer: AnyExplainer) -> Fill:
    """The fill that an explainer covers with unless it is told otherwise."""
    own = settings_of(explainer, 0)
    return next(fill for fill, settings in explainer.under_fills(own).items() if settings == own)


def others_of(explainer: AnyExplainer) -> list[Fill]:
    """The other fills that it can cover with."""
    return [fill for fill in explainer.under_fills(settings_of(explainer, 0)) if fill != own_fill(explainer)]


def found_in(table: pd.DataFrame, column: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name -> title of the explainers that a study's table has values of.

    Args:
        table: of a study.
        column: the name of a column that says so, with {} for the explainer's name.
        more: name -> title of what is judged beside the registry's.
    """
    titles = {**{name: one.title for name, one in judged().items()}, **(more or {})}
    return {
        name: title
        for name, title in titles.items()
        if column.format(name) in table and table[column.format(name)].notna().any()
    }


def owner_of(column: str, names: Mapping[str, object]) -> str | None:
    """Return the explainer that a column's name begins with, the longest match ("lime_grid" before "lime"), or None."""
    return max((name for name in names if column.startswith(f"{name}_")), key=len, default=None)


class Columns(Mapping[str, str]):
    """Columns of a study with plain descriptions, rebuilt whenever the judged explainers change.

    Args:
        build: name -> explainer, to column -> plain description.
    """

    def __init__(self, build: Callable[[dict[str, AnyExplainer]], dict[str, str]]) -> None:
        self._build = build
        self._made: tuple[tuple[str, ...], dict[str, str]] = ((), {})

    def _now(self) -> dict[str, str]:
        found = judged()
        if self._made[0] != tuple(found):
            self._made = tuple(found), self._build(found)
        return self._made[1]

    def __getitem__(self, column: str) -> str:
        """What a column holds."""
        return self._now()[column]

    def __iter__(self) -> Iterator[str]:
        """The columns in order."""
        return iter(self._now())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._now())


def compared() -> dict[str, AnyExplainer]:
    """Return the explainers that are compared with the one whose maps runs keep; the one of the default pair first."""
    found = {name: one for name, one in judged().items() if name != KEPT.name}
    return dict(sorted(found.items(), key=lambda item: item[0] not in DEFAULT))


def column_of(method: str, value: str) -> str:
    """Name the column of a value of the study `agreement`; those of the default pair do not begin with the method."""
    return value if method in DEFAULT else f"{method}_{value}"
