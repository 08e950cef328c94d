"""Detectors from an ONNX file, computed by onnxruntime: predictions only, without gradients and layers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import OpaqueDetector
from core.detectors.registry import Brought, Kind, Request, SourceError, Stored, require
from core.storage.limits import first_line, printable, read_bytes

# onnxruntime's names of the numbers that an input may take
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
FILE = "model.onnx"


class Graph(nn.Module):
    """An ONNX file as a module; its state is the file's bytes.

    Args:
        data: the file.
        output: name of the output with the scores; "" if the file has only one.

    Raises:
        SourceError: onnxruntime is missing or cannot load the file, or its inputs or outputs do not fit.
    """

    def __init__(self, data: bytes, output: str) -> None:
        super().__init__()
        session = _session(data)
        self.model = Stored("onnx", data)
        inputs = session.get_inputs()
        outputs = [output.name for output in session.get_outputs()]
        if len(inputs) != 1 or inputs[0].type not in FLOATS or len(inputs[0].shape) != 4:
            what = ", ".join(f"{value.name} of {value.type} {value.shape}" for value in inputs)
            raise SourceError(f"it takes {printable(what)}, not one batch of pictures as floating-point numbers")
        if output not in outputs and (output or len(outputs) > 1):
            raise SourceError(f"it has the outputs {printable(', '.join(outputs))}; give one of them as --output-name")
        self.output = output or outputs[0]
        self.input = inputs[0].name
        self.dtype = FLOATS[inputs[0].type]
        batch, *shape = inputs[0].shape
        # what may be of any size has a name, or none
        self.batch = batch if isinstance(batch, int) else None
        # channels last, where the file says so
        self.last = shape[2] == 3 != shape[0]
        height, width = shape[:2] if self.last else shape[1:]
        self.side = height if isinstance(height, int) and height == width else None
        self._session = session

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to what the file gives, (N, K); no gradient goes through."""
        values = inputs.detach().cpu().numpy().astype(self.dtype)
        if self.last:
            values = values.transpose(0, 2, 3, 1)
        size = self.batch or len(values)
        # where the batch size is fixed, the last batch is filled up with its last image
        values = np.pad(values, ((0, -len(values) % size), (0, 0), (0, 0), (0, 0)), "edge")
        parts = [
            self._session.run([self.output], {self.input: part})[0] for part in np.split(values, len(values) // size)
        ]
        # the file may squeeze a batch of one
        outputs = np.stack(parts).reshape(len(values), -1)[: len(inputs)]
        return torch.from_numpy(outputs.astype(np.float32))


def _session(model: bytes) -> Any:
    """Open a file's bytes.

    Raises:
        SourceError: onnxruntime is missing or cannot compute it.
    """
    runtime = require("onnxruntime", "an ONNX file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # its warnings go to the terminal; what matters is raised
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class below Exception
        raise SourceError(
            f"onnxruntime {runtime.__version__} cannot compute it ({first_line(error)}); export it as one file with "
            "operators of the ONNX standard"
        ) from None


def read(request: Request) -> Brought:
    """Open the file; what it does not say is asked for."""
    file = Path(request.source)
    data = read_bytes(file)
    try:
        network = Graph(data, request.output_name or "")
    except SourceError as error:
        raise SourceError(f"{file} cannot be used: {error}") from None
    return Brought(network, {"output": network.output}, {"size": network.side})


def chain_head(encoder: bytes, head: dict[str, Any]) -> bytes:
    """Extend an ONNX encoder, whose first output is (N, C), by its L2 norm and a linear head of one output.

    Args:
        encoder: the ONNX file.
        head: "weights", C numbers, and "bias".
    """
    onnx = require("onnx", "a detector made of an encoder and a head")
    model = onnx.load_model_from_string(encoder)
    graph = model.graph
    for key, values in (("weights", [[weight] for weight in head["weights"]]), ("bias", [head["bias"]])):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), f"head_{key}"))
    make_node = onnx.helper.make_node
    graph.node.append(make_node("LpNormalization", [graph.output[0].name], ["head_unit"], axis=-1, p=2))
    graph.node.append(make_node("Gemm", ["head_unit", "head_weights", "head_bias"], ["score"]))
    graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, [None, 1]))
    del graph.output[1:]
    return bytes(model.SerializeToString())


def build(config: Record) -> Graph:
    """Open the stored file."""
    return Graph(config[FILE], config["output"])


KIND = Kind(build=build, detector=OpaqueDetector, files=(FILE,), read=read)
