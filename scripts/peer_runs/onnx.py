"""ONNX Runtime's worker."""

import numpy as np
import onnxruntime
import torch

from peer_runs import onnx_attention, onnx_recurrent
from peer_runs.worker import Unsupported, serve


class OnnxRuntime:
    version = onnxruntime.__version__

    def __init__(self, threads):
        onnxruntime.set_default_logger_severity(4)  # a variant that fails is answered, not logged
        torch.set_num_threads(1)  # the reference's, which must not leave a pool beside the library
        self._threads = threads

    def builders(self, case):
        if case.which_pass != "forward":
            raise Unsupported("ONNX Runtime's package has inference only")
        if case.dtype != "float32":
            raise Unsupported("ONNX Runtime's package has no such operators in bfloat16 on CPUs")
        if case.model == "mingru":
            raise Unsupported("ONNX has no operator of minGRU")
        graphs = onnx_attention.graphs(case) if case.model == "attention" else onnx_recurrent.graphs()
        return {name: lambda case, inputs, make=make: Session(make(case, inputs), inputs["x"],
                                                              self._threads)
                for name, make in graphs.items()}


class Session:
    """One graph with its input and output bound to memory that stays: no copy is timed."""

    def __init__(self, graph, x, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = onnxruntime.InferenceSession(graph.model().SerializeToString(), options,
                                                     providers=["CPUExecutionProvider"])
        self._graph = graph
        self._x = np.ascontiguousarray(graph.from_batch_first(x.numpy()))
        self._y = np.empty(graph.y_shape, np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(self._x))
        self._y = onnxruntime.OrtValue.ortvalue_from_numpy(self._y)
        self._binding.bind_ortvalue_output("y", self._y)

    def run(self):
        self._session.run_with_iobinding(self._binding)

    def results(self):
        return {"y": torch.from_numpy(self._graph.to_batch_first(self._y.numpy()))}


if __name__ == "__main__":
    serve(OnnxRuntime)
