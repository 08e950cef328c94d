"""Pictures, a detector's and its source's own outputs for them, and ONNX files."""

import numpy as np
import torch
from onnx import numpy_helper, parser
from PIL import Image

# what sources without preprocessing are told in tests
SAID = {"crop": "before", "interpolation": "bilinear", "mean": (0.5, 0.4, 0.6), "std": (0.2, 0.3, 0.25)}


def odd_pictures():
    """uint8 pictures of several sizes, wide, high, small."""
    generator = np.random.default_rng(0)
    sizes = ((96, 140), (200, 120), (64, 64), (33, 32))
    coarse = [generator.integers(0, 256, (-(-h // 4), -(-w // 4), 3)).repeat(4, 0).repeat(4, 1) for h, w in sizes]
    return [image[:h, :w].astype(np.uint8) for image, (h, w) in zip(coarse, sizes, strict=True)]


def given_by(detector):
    """float32 (4, K): the network's outputs for the pictures, through the detector's preprocessing."""
    fitted = np.stack([detector.preprocessing.fit(image) for image in odd_pictures()])
    with torch.no_grad():
        return detector.network(detector.inputs(fitted)).numpy()


def expected_of(pipeline):
    """float32 (4, K): what a source's own pipeline gives for them, one by one."""
    with torch.no_grad():
        return torch.cat([pipeline(Image.fromarray(image)) for image in odd_pictures()]).numpy()


def spread(network, *, seed=0):
    """The network in evaluation mode, with random weights wide enough that its answers differ between pictures."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                wide = 1.5 / max(1, parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * wide)
    return network.eval()


def make_graph(
    *,
    side=48,
    outputs=1,
    batch="n",
    last=False,
    scale=1.0,
    shift=0.0,
    operator="Relu",
    extra=False,
):
    """The bytes of a file.

    Args:
        side: pixels along each side of its input; a word for any.
        outputs: scores an image.
        batch: images that it takes at once; a word for any number.
        last: channels come last.
        scale: of the linear layer's weights.
        shift: of its last output.
        operator: after the convolution.
        extra: True for a second output.
    """
    generator = np.random.default_rng(0)
    weights = {
        "filter": generator.normal(0, 0.5, (6, 3, 3, 3)),
        "weight": generator.normal(0, 1, (6, outputs)) * scale,
        "bias": generator.normal(0, 0.1, outputs) + 0.3,
    }
    weights["bias"][-1] += shift
    shape = f"{batch}, 3, {side}, {side}"
    first = "Identity"
    if last:
        shape = f"{batch}, {side}, {side}, 3"
        first = "Transpose <perm = [0, 3, 1, 2]>"
    second = f", float[{batch}, 6] flat" if extra else ""
    model = parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        made (float[{shape}] x) => (float[{batch}, {outputs}] y{second}) {{
            first = {first} (x)
            conv = Conv <pads = [1, 1, 1, 1]> (first, filter)
            relu = {operator} (conv)
            mean = GlobalAveragePool (relu)
            flat = Flatten (mean)
            y = Gemm (flat, weight, bias)
        }}
    """)
    for name, value in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return model.SerializeToString()
