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
        shape = inputs[0].shape
        # channels last, where the file says so
        self.last = shape[3] == 3 and shape[1] != 3
        self.batch = None
        if isinstance(shape[0], int):
            self.batch = shape[0]
        sides = shape[1:3] if self.last else shape[2:4]
        self.side = None
        if isinstance(sides[0], int) and sides[0] == sides[1]:
            self.side = sides[0]
        self._session = session

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to what the file gives, (N, K); no gradient goes through."""
        if self._session is None:
            self._session = _session(self.model.get_buffer("onnx").cpu().numpy().tobytes())
        values = inputs.detach().cpu().numpy().astype(self.dtype)
        if self.last:
            values = values.transpose(0, 2, 3, 1)
        values = np.ascontiguousarray(values)
        size = self.batch or len(values)
        parts = []
        for start in range(0, len(values), size):
            part = values[start : start + size]
            short = size - len(part)
            if short:
                # the batch size is fixed: the last batch is padded with its last image
                part = np.pad(part, ((0, short), (0, 0), (0, 0), (0, 0)), "edge")
            outputs = self._session.run([self.output], {self.input: part})[0]
            # the file may squeeze a batch of one
            parts.append(np.reshape(outputs, (size, -1))[: size - short])
        return torch.from_numpy(np.concatenate(parts).astype(np.float32)).to(inputs.device)

    def __getstate__(self) -> dict[str, Any]:
        # a session cannot be copied; the copy opens its own
        return {**self.__dict__, "_session": None}


def _session(model: bytes | str) -> Any:
    """Open a file's bytes or path.

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
    preprocess = {}
    if network.side is not None:
        preprocess["size"] = network.side
    return Brought(network, {"output": network.output}, preprocess)


def build(config: Record) -> Graph:
    """Open the stored file."""
    return Graph(config[FILE], config["output"])


KIND = Kind("onnx", build=build, detector=OpaqueDetector, files=(FILE,), read=read)
