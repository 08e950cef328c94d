"""The one place that reaches below torch's public API, and the minor versions on which that was tested."""

import torch

TESTED = ("2.13",)


def has_bfloat16_units() -> bool:
    """Check whether this CPU has AVX-512 bfloat16 units; False, which only costs speed, if torch cannot tell."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if callable(asked) else False
