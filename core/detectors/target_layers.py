"""Layers of any network from which maps can be computed: found in one forward pass, patch tokens included."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.detectors.identity import COUNTER, hash_weights
from core.images.labels import FAKE, REAL

# held while a shared network has hooks or is being copied, so that maps are computed one at a time
HOOKS = threading.Lock()
# module name -> (C, h, w)
LayerShapes = dict[str, tuple[int, int, int]]
POOLING = nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d


def find_layers(network: nn.Module, image: Tensor) -> tuple[int, LayerShapes]:
    """Run one image through a network and find the modules with a spatial output, (1, C, h, w) larger than 1 x 1.

    Args:
        network: in evaluation mode.
        image: float32 (1, 3, S, S).

    Returns:
        The number of outputs per image, 0 if the network does not return a tensor; and module name -> (C, h, w), in
        order of execution.

    Raises:
        RuntimeError: the network does not accept the image.
    """
    shapes: LayerShapes = {}
    sure: set[str] = set()

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if not name or not isinstance(output, Tensor) or output.ndim != 4 or max(output.shape[2:]) == 1:
            return
        # where it enlarges, its places repeat those of the layer before
        if isinstance(module, POOLING) and output.shape[-1] > inputs[0].shape[-1]:
            return
        # what is used twice counts where it is used last
        shapes.pop(name, None)
        shapes[name] = tuple(output.shape[1:])  # type: ignore[assignment]
        if isinstance(module, nn.Conv2d | Places):
            sure.add(name)

    with hooked(dict(network.named_modules()), note), torch.inference_mode():
        outputs = network(image)
    if _layer_norms(network):
        # attention heads and channels-last outputs look spatial too: keep only sizes that a convolution or Places has
        certain = {shapes[name][1:] for name in sure}
        shapes = {n: s for n, s in shapes.items() if s[1:] in certain and (n in sure or s[1] == s[2])}
    return outputs.numel() if isinstance(outputs, Tensor) else 0, shapes


def _layer_norms(network: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.LayerNorm)}


def margin_gradient(
    layer: nn.Module,
    scores: Callable[[Tensor], Tensor],
    inputs: Tensor,
    replace: Callable[[Tensor], Tensor] = Tensor.clone,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradient of the margin by a layer's output, as it is or replaced by another.

    Args:
        layer: with output (N, C, h, w); hooked during the call only.
        scores: computes scores of FAKE and REAL, (N, 2), from inputs with a forward pass through the layer.
        inputs: (N, 3, S, S).
        replace: the layer's output -> another tensor of its shape, on which the rest of the network computes.

    Returns:
        The scores, and (N, C, h, w) what the rest was given and the gradient.
    """
    given = []

    def watch(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # detached, so that autograd skips earlier layers; later ones get a clone, because they may modify it
        given.append(replace(output.detach()).requires_grad_(True))
        return given[-1].clone()

    # a tensor of inference mode takes part in no gradient
    with torch.inference_mode(False), torch.enable_grad(), HOOKS, layer.register_forward_hook(watch):
        outputs = scores(inputs.clone())
        (gradient,) = torch.autograd.grad((outputs[:, REAL] - outputs[:, FAKE]).sum(), given[-1])
    return outputs.detach(), given[-1].detach(), gradient


@contextmanager
def hooked(modules: Mapping[str, nn.Module], hook: Callable[..., Any]) -> Iterator[None]:
    """Register a forward hook of each module, which is given its name first, while the context is open."""
    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(hook, name)))
        yield


# the layer that is put into a norm: module "encoder.norm" gets "encoder.norm.places"
PLACES = "places"
# maximum number of tokens before the patch tokens: class token, distillation token, registers
MOST_BEFORE = 8


class Places(nn.Identity):
    """An identity over the patch tokens as (N, C, h, w); a forward hook can read or replace its output."""


def expose_tokens(network: nn.Module, read: Iterable[str], wanted: str | None) -> None:
    """Add a `Places` layer to the layer norm that suits maps best; the network's outputs stay bit-identical.

    That is the last layer norm on whose patch tokens the output depends: after it, a network that classifies by its
    class token alone no longer uses the patches.

    Args:
        network: in evaluation mode.
        read: names of the layer norms on whose patch tokens the output depends, in order, see `token_norms`.
        wanted: the target layer that was asked for; `NAME.places` exposes the norm of that name.
    """
    norms = _layer_norms(network)
    if any(hasattr(module, PLACES) for module in norms.values()):
        return
    chosen, _, last = (wanted or "").rpartition(".")
    if last != PLACES or chosen not in norms:
        *_, chosen = "", *read
    if chosen:
        norms[chosen].add_module(PLACES, Places())
        norms[chosen].register_forward_hook(_through_places)


def _through_places(norm: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
    """Forward hook of a norm: pass its patch tokens through its `Places` layer, if that has hooks of its own."""
    places = norm.get_submodule(PLACES)
    before = _tokens_before(norm, output)
    if before is None or not places._forward_hooks:
        return None
    if output.ndim == 4:
        return places(output.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    seen = places(to_grid(output))
    return torch.cat([output[:, :before], seen.flatten(2).transpose(1, 2)], dim=1)


def _tokens_before(norm: nn.Module, output: Tensor) -> int | None:
    """Count the tokens before the patch tokens; None if a norm's output holds no patch tokens.

    Patch tokens are (N, tokens, C), where all but at most `MOST_BEFORE` tokens form a square grid, or (N, h, w, C).
    """
    if output.ndim == 4:
        # norms for (N, C, h, w) are layer norms too
        last = list(getattr(norm, "normalized_shape", [])) == [output.shape[3]] != [output.shape[1]]
        if last and max(output.shape[1:3]) > 1:
            return 0
        return None
    if output.ndim != 3:
        return None
    side = math.isqrt(output.shape[1])
    before = output.shape[1] - side**2
    if side > 1 and before <= MOST_BEFORE:
        return before
    return None


def to_grid(tokens: Tensor) -> Tensor:
    """Return the patch tokens among (N, tokens, C) as (N, C, h, h), the largest square that they fill."""
    side = math.isqrt(tokens.shape[1])
    return tokens[:, -(side**2) :].transpose(1, 2).reshape(len(tokens), -1, side, side)


def token_norms(network: nn.Module, image: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the layer norms on whose patch tokens the output depends: name -> shape for one image, in order.

    Args:
        network: in evaluation mode.
        image: float32 (1, 3, S, S).
    """
    seen: dict[str, Tensor] = {}
    norms = _layer_norms(network)
    if not norms:
        return {}

    def watch(name: str, norm: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        if _tokens_before(norm, output) is None:
            return None
        seen.pop(name, None)
        seen[name] = output
        # a clone, because what follows may write into it
        return output.clone()

    with hooked(norms, watch), torch.inference_mode(False), torch.enable_grad():
        outputs = network(image.clone().requires_grad_(True))
        if not seen or not isinstance(outputs, Tensor) or not outputs.requires_grad:
            return {}
        # weighted, because a softmax's outputs add up to 1
        weights = torch.arange(1.0, 1 + outputs.numel(), device=outputs.device).view_as(outputs)
        total = (outputs * weights).sum()
        gradients = torch.autograd.grad(total, list(seen.values()), allow_unused=True, materialize_grads=True)
    return {
        name: tuple(gradient.shape)
        for name, gradient in zip(seen, gradients, strict=True)
        if gradient[:, _tokens_before(norms[name], gradient) :].any()
    }


def weights_sha256(network: nn.Module) -> str:
    """Hash the names and values of a network's state, see `hash_weights`."""
    tensors = {name: tensor.cpu() for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    # bytes stay bytes, and NumPy has no bfloat16
    return hash_weights(
        {name: (tensor if tensor.dtype == torch.uint8 else tensor.float()).numpy() for name, tensor in tensors.items()}
    )


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
                spread = 0.0
                if tensor.numel() > 1:
                    spread = float(tensor.std())
                tensor.copy_(torch.randn(tensor.shape) * spread)


def parts_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return a network's child modules with weights, by name, in order; a single one is split into its own children."""
    parts = {name: child for name, child in network.named_children() if list(child.parameters())}
    if len(parts) == 1:
        ((name, only),) = parts.items()
        return {f"{name}.{inner}": child for inner, child in parts_of(only).items()} or parts
    return parts
