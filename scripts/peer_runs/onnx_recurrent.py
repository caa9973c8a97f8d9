"""Recurrent layers as ONNX graphs of one operator."""

from dataclasses import dataclass, field

import numpy as np

from peer_runs.onnx_graph import Graph


@dataclass(frozen=True)
class Operator:
    name: str
    gates: tuple  # place of each of ONNX's gates among PyTorch's
    attributes: dict = field(default_factory=dict)


OPERATORS = {
    "elman": Operator("RNN", (0,)),
    "lstm": Operator("LSTM", (0, 3, 1, 2)),  # i o f c of i f g o
    # z r h of r z n; PyTorch multiplies r onto the product, as linear_before_reset does.
    "gru": Operator("GRU", (1, 0, 2), {"linear_before_reset": 1}),
}


def graphs():
    return {"time_first": time_first}


def time_first(case, inputs):
    """x [T, B, D] to y [T, 1, B, D]: the CPU kernels refuse layout=1, batch first."""
    operator = OPERATORS[case.model]

    def gates_in_order(name):
        parts = np.split(inputs[name].numpy(), len(operator.gates))
        return np.concatenate([parts[gate] for gate in operator.gates])

    graph = Graph([case.steps, case.batch, case.width], [case.steps, 1, case.batch, case.width],
                  from_batch_first=lambda x: x.transpose(1, 0, 2),
                  to_batch_first=lambda y: y[:, 0].transpose(1, 0, 2))
    bias = np.concatenate([gates_in_order("bias_ih_l0"), gates_in_order("bias_hh_l0")])
    weights = [graph.constant(array[np.newaxis]) for array in
               (gates_in_order("weight_ih_l0"), gates_in_order("weight_hh_l0"), bias)]
    y = graph.node(operator.name, "x", *weights, hidden_size=case.width, **operator.attributes)
    return graph.returns(y)
