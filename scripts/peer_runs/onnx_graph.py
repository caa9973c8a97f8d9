"""A graph from input x to output y, node by node."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def _unchanged(array):
    return array


class Graph:
    """`from_batch_first` and `to_batch_first` map arrays [B, T, D] to the graph's layout and
    back."""

    def __init__(self, x_shape, y_shape, from_batch_first=_unchanged, to_batch_first=_unchanged):
        self.x_shape, self.y_shape = x_shape, y_shape
        self.from_batch_first, self.to_batch_first = from_batch_first, to_batch_first
        self._nodes, self._constants = [], []

    def constant(self, array, dtype=np.float32):
        """Its name. Constants let the library pack weights once, before anything is timed."""
        name = f"constant{len(self._constants)}"
        array = np.ascontiguousarray(np.asarray(array, dtype))
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator, *inputs, outputs=1, **attributes):
        """The name of its output, or a list of `outputs` names."""
        names = [f"{operator}{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, x, weight, bias):
        """x·Wᵀ + b, weights as PyTorch has them; the library fuses and packs it."""
        product = self.node("MatMul", x, self.constant(weight.T))
        return self.node("Add", product, self.constant(bias))

    def returns(self, name):
        self._nodes.append(helper.make_node("Identity", [name], ["y"]))
        return self

    def model(self):
        def described(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(nodes=self._nodes, name="layer",
                                  inputs=[described("x", self.x_shape)],
                                  outputs=[described("y", self.y_shape)],
                                  initializer=self._constants)
        versions = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=versions)
        model.ir_version = helper.find_min_ir_version_for(versions, ignore_unknown=True)
        return model
