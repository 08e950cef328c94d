"""ONNX files that are made for a test: a convolution, a mean over the places, a linear layer."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def make_graph(
    *,
    side=48,
    outputs=1,
    batch="n",
    last=False,
    seed=0,
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
        seed: of its weights.
        scale: of the linear layer's weights.
        shift: of its last output.
        operator: after the convolution.
        extra: True for a second output.
    """
    generator = np.random.default_rng(seed)
    weights = {
        "filter": generator.normal(0, 0.5, (6, 3, 3, 3)),
        "weight": generator.normal(0, 1, (6, outputs)) * scale,
        "bias": generator.normal(0, 0.1, outputs) + 0.3,
    }
    weights["bias"][-1] += shift
    nodes = [helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        helper.make_node("Conv", ["first" if last else "x", "filter"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node(operator, ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"]),
    ]
    shape = [batch, side, side, 3] if last else [batch, 3, side, side]
    given = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, outputs])]
    if extra:
        given.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [batch, 6]))
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        given,
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()
