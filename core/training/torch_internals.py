"""The one place that reaches below torch's public API, and the minor versions on which that was tested."""

import torch

TESTED = ("2.13",)


def has_bfloat16_units(device: torch.device) -> bool:
    """Check whether a device has bfloat16 units (of CPUs AVX-512's); False, which costs speed, if torch cannot tell."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if callable(asked) else False
