"""Plain words for parts of networks. Needs no torch."""

from core.detectors.manifest import About

# what kinds are called that people know
KINDS = {"resnet": "ResNet-18"}
# of the paper's network
STAGES = {f"layer{stage}": f"stage {stage}" for stage in range(1, 5)}


def layer_words(name: str) -> str:
    """What a layer is called on a page: the module's own name where nothing better is known."""
    return STAGES.get(name, name)


def network_words(about: About) -> str:
    """A detector's network in a few words: its kind and the settings that it was built with."""
    return ", ".join([KINDS.get(about.kind, about.kind), *(f"{key} {value}" for key, value in about.config.items())])
