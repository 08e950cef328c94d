"""Spatial layers for vision transformers: a layer norm's patch tokens as (N, C, h, w), so that maps can be computed."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

# the layer that is put into a norm: module "encoder.norm" gets "encoder.norm.places"
PLACES = "places"
# maximum number of tokens before the patch tokens: class token, distillation token, registers
MOST_BEFORE = 8


class Places(nn.Identity):
    """An identity over the patch tokens as (N, C, h, w); a forward hook can read or replace its output."""


def expose_tokens(network: nn.Module, image: Tensor, wanted: str | None) -> None:
    """Add a `Places` layer to the layer norm that suits maps best; the network's outputs stay bit-identical.

    That is the last layer norm on whose patch tokens the output depends: after it, a network that classifies by its
    class token alone no longer uses the patches.

    Args:
        network: in evaluation mode.
        image: float32 (1, 3, S, S).
        wanted: the target layer that was asked for; `NAME.places` exposes the norm of that name.
    """
    norms: dict[str, nn.Module] = {
        name: module for name, module in network.named_modules() if isinstance(module, nn.LayerNorm)
    }
    asked = (wanted or "").removesuffix(f".{PLACES}")
    if not norms or any(hasattr(module, PLACES) for module in norms.values()):
        return
    found = asked if asked != wanted and asked in norms else _last_that_counts(network, norms, image)
    if found:
        norms[found].add_module(PLACES, Places())
        norms[found].register_forward_hook(_through_places)


def _through_places(norm: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
    """Forward hook of a norm: pass its patch tokens through its `Places` layer, if that has hooks of its own."""
    places, before = norm.get_submodule(PLACES), _tokens_before(norm, output)
    if before is None or not places._forward_hooks:
        return None
    if output.ndim == 4:
        seen: Tensor = places(output.permute(0, 3, 1, 2))
        return seen.permute(0, 2, 3, 1)
    side = math.isqrt(output.shape[1] - before)
    seen = places(output[:, before:].transpose(1, 2).reshape(len(output), -1, side, side))
    return torch.cat([output[:, :before], seen.flatten(2).transpose(1, 2)], dim=1)


def _tokens_before(norm: nn.Module, output: object) -> int | None:
    """Count the tokens before the patch tokens; None if a norm's output holds no patch tokens.

    Patch tokens are (N, tokens, C), where all but at most `MOST_BEFORE` tokens form a square grid, or (N, h, w, C).
    """
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return None
    if output.ndim == 4:
        # norms for (N, C, h, w) are layer norms too
        last = list(getattr(norm, "normalized_shape", [])) == [output.shape[3]] != [output.shape[1]]
        return 0 if last and max(output.shape[1:3]) > 1 else None
    side = math.isqrt(output.shape[1])
    return output.shape[1] - side**2 if side > 1 and output.shape[1] - side**2 <= MOST_BEFORE else None


def _last_that_counts(network: nn.Module, norms: dict[str, nn.Module], image: Tensor) -> str:
    """Return the name of the last norm on whose patch tokens the output depends; "" where there is none."""
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, _inputs: object, output: object) -> Tensor | None:
            if not isinstance(output, Tensor) or _tokens_before(module, output) is None:
                return None
            seen.pop(name, None)
            seen[name] = output if output.requires_grad else output.detach().requires_grad_(True)
            # a clone, because what follows may write into it
            return seen[name].clone()

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in norms.items()]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            outputs = network(image.clone())
            if not seen or not isinstance(outputs, Tensor) or not outputs.requires_grad:
                return ""
            # weighted, because a softmax's outputs add up to 1
            weights = torch.arange(1.0, 1 + outputs.numel(), device=outputs.device).view_as(outputs)
            gradients = torch.autograd.grad((outputs * weights).sum(), list(seen.values()), allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    for name, gradient in reversed(list(zip(seen, gradients, strict=True))):
        before = _tokens_before(norms[name], gradient)
        if gradient is not None and before is not None and bool((gradient[:, before:] != 0).any()):
            return name
    return ""
