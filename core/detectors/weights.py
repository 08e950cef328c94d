"""The weights of any network: hashing them, and randomising them part by part."""

import torch
from torch import nn

from core.detectors.identity import hash_weights

# batch normalisation's counter affects no answer, so it is neither stored nor hashed
COUNTER = "num_batches_tracked"


def weights_sha256(network: nn.Module) -> str:
    """Hash the names and values of a network's state, see `core.detectors.identity.hash_weights`."""
    state = sorted((name, tensor) for name, tensor in network.state_dict().items() if not name.endswith(COUNTER))
    arrays = ((name, tensor.detach().cpu()) for name, tensor in state)
    return hash_weights((name, (one if one.dtype == torch.uint8 else one.float()).numpy()) for name, one in arrays)


def reinitialise(part: nn.Module, *, seed: int) -> None:
    """Reinitialise every weight of a module on the CPU without touching torch's global generators.

    Weights not covered by a module's own initialisation are drawn from a normal distribution of their present spread.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        # `torch.manual_seed` would seed those of other devices too
        torch.default_generator.manual_seed(seed % 2**63)
        covered: set[int] = set()
        for module in part.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                covered |= {id(tensor) for tensor in module.parameters()}
        for tensor in part.parameters():
            if id(tensor) not in covered:
                spread = float(tensor.std()) if tensor.numel() > 1 else 0.0
                tensor.copy_(torch.randn(tensor.shape) * spread)


def parts_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return a network's child modules with weights, by name, in order; a single one is split into its own children."""
    found: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        if any(True for _ in child.parameters()):
            found[name] = child
    if len(found) == 1:
        ((name, only),) = found.items()
        return {f"{name}.{inner}": child for inner, child in parts_of(only).items()} or found
    return found
