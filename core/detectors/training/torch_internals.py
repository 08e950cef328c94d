"""The one place that reaches below torch's public API, and the minor versions on which that was tested."""

import torch

TESTED = ("2.13",)


def has_bfloat16_units() -> bool:
    """Whether this processor computes in bfloat16 by itself; False, which is slower and never wrong, where torch no
    longer says."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if callable(asked) else False
