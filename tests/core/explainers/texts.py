"""Settings as texts, the way back from `from_parameters`."""

from core.explainers.settings import ExplainerSettings, describe


def to_parameters(settings: ExplainerSettings) -> dict[str, str]:
    """Name -> text of every setting that is not at its default, for a URL or a command line."""
    found = {one.name: (one, getattr(settings, one.name)) for one in describe(type(settings))}
    return {name: one.text(value) for name, (one, value) in found.items() if value != one.default}
