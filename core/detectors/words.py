"""Plain words for networks and their layers. Needs no torch."""

from core.detectors.manifest import About

# established names of kinds
KINDS = {"resnet": "ResNet-18", "onnx": "ONNX", "python": "Python function"}
# of the paper's network
STAGES = {f"layer{stage}": f"stage {stage}" for stage in range(1, 5)}


def layer_words(name: str) -> str:
    """Return a layer's name for a page; the module's own name where there is nothing better."""
    return STAGES.get(name, name)


def network_words(about: About) -> str:
    """Describe a detector's network in a few words: its kind and those settings that are a word or a number."""
    settings = [f"{key} {value}" for key, value in about.config.items() if isinstance(value, str | int)]
    return ", ".join([KINDS.get(about.kind, about.kind), *settings])
