"""Multi-head self-attention as ONNX graphs: every way that ONNX Runtime can run it on a CPU.

Packed Q, K and V for com.microsoft.MultiHeadAttention are missing: its CPU kernel refuses them.
"""

import numpy as np

from peer_runs import memory
from peer_runs.onnx_graph import Graph

_MICROSOFT = "com.microsoft"


def graphs(case):
    """{variant: function of (case, inputs)}; grouped queries are always causal there."""
    return {"matmul_softmax": matmul_softmax, "ms.MultiHeadAttention": microsoft_multi_head,
            "ms.MultiHeadAttention:separate": microsoft_multi_head_separate,
            "ms.Attention": microsoft_attention, "Attention": onnx_attention,
            "Attention:separate": onnx_attention_separate,
            **({"ms.GroupQueryAttention": microsoft_grouped} if case.causal else {})}


def _graph(case, holds_scores=True):
    """`holds_scores`: the kernel keeps the scores [B, H, T, T] and their softmax."""
    if holds_scores:
        memory.refuse_beyond_available(2 * 4 * case.batch * case.heads * case.steps**2)
    shape = [case.batch, case.steps, case.width]
    return Graph(shape, shape)


def _arrays(inputs):
    """in_proj weight and bias, out_proj weight and bias."""
    return [inputs[name].numpy() for name in
            ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")]


def _projected(graph, context, inputs):
    _, _, weight, bias = _arrays(inputs)
    return graph.returns(graph.linear(context, weight, bias))


def _qkv(graph, inputs):
    """Q, K, V [B, T, D] from one product."""
    weight, bias, _, _ = _arrays(inputs)
    return graph.node("Split", graph.linear("x", weight, bias), outputs=3, axis=-1, num_outputs=3)


def _qkv_separate(graph, inputs):
    """Q, K, V [B, T, D] from a product each."""
    weight, bias, _, _ = _arrays(inputs)
    return [graph.linear("x", w, b) for w, b in zip(np.split(weight, 3), np.split(bias, 3))]


def matmul_softmax(case, inputs):
    """softmax(QKᵀ/√d_k)·V from plain operators; 1/√d_k is folded into Q's weights."""
    graph = _graph(case)
    B, T, D, H = case.batch, case.steps, case.width, case.heads
    weight, bias, _, _ = (array.copy() for array in _arrays(inputs))
    weight[:D] /= (D // H) ** 0.5
    bias[:D] /= (D // H) ** 0.5
    qkv = graph.node("Reshape", graph.linear("x", weight, bias),
                     graph.constant([B, T, 3, H, D // H], np.int64))
    third = graph.constant([2], np.int64)
    q, k, v = (graph.node("Transpose", graph.node("Squeeze", part, third), perm=perm)
               for part, perm in zip(graph.node("Split", qkv, outputs=3, axis=2, num_outputs=3),
                                     ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])))
    scores = graph.node("MatMul", q, k)
    if case.causal:
        mask = np.triu(np.full((T, T), np.finfo(np.float32).min, np.float32), 1)
        scores = graph.node("Add", scores, graph.constant(mask))
    context = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
    context = graph.node("Reshape", graph.node("Transpose", context, perm=[0, 2, 1, 3]),
                         graph.constant([B, T, D], np.int64))
    return _projected(graph, context, inputs)


def _microsoft_multi_head(case, inputs, project):
    graph = _graph(case, holds_scores=case.causal)  # its flash kernel knows no mask
    context = graph.node("MultiHeadAttention", *project(graph, inputs), domain=_MICROSOFT,
                         num_heads=case.heads, unidirectional=int(case.causal))
    return _projected(graph, context, inputs)


def microsoft_multi_head(case, inputs):
    return _microsoft_multi_head(case, inputs, _qkv)


def microsoft_multi_head_separate(case, inputs):
    return _microsoft_multi_head(case, inputs, _qkv_separate)


def microsoft_attention(case, inputs):
    """The operator has the input projection in it."""
    graph = _graph(case)
    weight, bias, _, _ = _arrays(inputs)
    context = graph.node("Attention", "x", graph.constant(weight.T), graph.constant(bias),
                         domain=_MICROSOFT, num_heads=case.heads, unidirectional=int(case.causal))
    return _projected(graph, context, inputs)


def microsoft_grouped(case, inputs):
    """With as many groups as heads."""
    graph = _graph(case)
    weight, bias, _, _ = _arrays(inputs)
    last_of_each = graph.constant(np.full(case.batch, case.steps - 1), np.int32)
    context, _, _ = graph.node(
        "GroupQueryAttention", graph.linear("x", weight, bias), "", "", "", "", last_of_each,
        graph.constant(case.steps, np.int32), outputs=3, domain=_MICROSOFT, num_heads=case.heads,
        kv_num_heads=case.heads)
    return _projected(graph, context, inputs)


def _onnx_attention(case, inputs, project):
    graph = _graph(case)
    context = graph.node("Attention", *project(graph, inputs), q_num_heads=case.heads,
                         kv_num_heads=case.heads, is_causal=int(case.causal))
    return _projected(graph, context, inputs)


def onnx_attention(case, inputs):
    return _onnx_attention(case, inputs, _qkv)


def onnx_attention_separate(case, inputs):
    return _onnx_attention(case, inputs, _qkv_separate)
