"""The faults: each replaces a text that its file holds exactly once, and the tests of one folder must
fail then. A text is as short as it can be, so that it survives changes around it."""

from typing import NamedTuple


class Fault(NamedTuple):
    name: str  # what is wrong then
    file: str
    old: str
    new: str
    suites: str = "*"  # of the tests beside the file, those that are run (GoogleTest filter)

    @property
    def tests(self):
        """The test program: rnn/lstm.h is tested by rnn_tests."""
        return self.file.split("/")[0] + "_tests"


FAULTS = [
    # core
    Fault("softmax without its maximum", "core/softmax.cc",
          "hn::LoadU(d, x.data() + j), hn::Set(d, m)", "hn::LoadU(d, x.data() + j), hn::Zero(d)"),
    Fault("softmax backward with the wrong sign", "core/softmax.cc",
          "p_i * (dp_i - weighted)", "p_i * (dp_i + weighted)"),
    Fault("log-sum-exp forgets the maximum", "core/softmax.cc",
          "return m + std::log(sum)", "return std::log(sum)"),
    Fault("layer norm without epsilon", "core/layer_norm.cc",
          "variance + T(kLayerNormEpsilon)", "variance"),
    Fault("layer norm with the sample's variance", "core/layer_norm.cc",
          "(x_i - mean[row]).square().mean()", "(x_i - mean[row]).square().sum() / T(D > 1 ? D - 1 : 1)"),
    Fault("layer norm backward without the path through the deviation", "core/layer_norm.cc",
          " - x_hat * mean_dx_hat_x_hat", ""),
    Fault("loss averaged over all tokens, not the answered ones", "core/loss.cc",
          " - static_cast<Index>(ignored)", ""),
    Fault("squared error's gradient without its 2", "core/loss.cc",
          "T(2) / static_cast<T>(targets.size())", "T(1) / static_cast<T>(targets.size())"),
    Fault("Adam's first bias correction a step late", "core/optimiser.cc",
          "std::pow(beta1, steps_taken_)", "std::pow(beta1, steps_taken_ + 1)"),
    Fault("Adam without its second bias correction", "core/optimiser.cc",
          "T(1 / std::sqrt(correction2))", "T(1)"),
    Fault("AdamW without weight decay", "core/optimiser.cc", "theta[i] * decay", "theta[i]"),
    Fault("gradient clipping lengthens short gradients", "core/optimiser.cc",
          "if (scale < 1)", "if (scale > 0)"),
    Fault("warm-up starts at a rate of 0", "core/optimiser.cc",
          "static_cast<double>(t + 1)", "static_cast<double>(t)"),
    Fault("forgotten bias gradient", "core/linear.cc",
          "add_column_sums(team, dy, dbias.data());", ""),
    Fault("embedding gradient keeps a token's last occurrence only", "core/elementwise.h",
          "row[j] += source[j];", "row[j] = source[j];"),
    Fault("matrix product forgets all but the last part of a long depth", "core/packed_gemm.cc",
          "depth_group > 0 || options.accumulate", "options.accumulate"),
    Fault("convolution's weight gradient reads the wrong steps", "core/causal_convolution.cc",
          ".cwiseProduct(as_eigen(without_last(x.sequence(n), k)))",
          ".cwiseProduct(as_eigen(without_first(x.sequence(n), k)))"),
    Fault("initial weights for the square of the width", "core/initialisers.cc",
          "1 / std::sqrt(double(fan_in))", "1 / double(fan_in)"),
    Fault("spin barrier lets everybody through", "core/spin_barrier.h",
          "load(std::memory_order_acquire) < last", "load(std::memory_order_acquire) < arrived",
          suites="SpinBarrier*"),

    # rnn
    Fault("LSTM drops its forget gate", "rnn/lstm.h",
          "f * hn::LoadU(d, row.kept_previous + j)", "hn::LoadU(d, row.kept_previous + j)"),
    Fault("LSTM's gates in the wrong order", "rnn/lstm.h", "kI = 0, kF = 1", "kI = 1, kF = 0"),
    Fault("LSTM backward without tanh's derivative at the cell", "rnn/lstm.h",
          "dh * o * (one - tanh_c * tanh_c)", "dh * o"),
    Fault("LSTM backward carries the cell past the forget gate", "rnn/lstm.h",
          "hn::StoreU(dc * f, d, row.dkept + j)", "hn::StoreU(dc, d, row.dkept + j)"),
    Fault("GRU's update gate the wrong way round", "rnn/gru.h",
          "(one - z) * n + z * hn::LoadU", "z * n + (one - z) * hn::LoadU"),
    Fault("GRU drops its reset gate", "rnn/gru.h", "+ r * u_n);", "+ u_n);"),
    Fault("GRU backward forgets the reset gate", "rnn/gru.h", "du_n = da_n * r;", "du_n = da_n;"),
    Fault("Elman backward with a wrong derivative of tanh", "rnn/elman.h",
          "(one - h * h)", "(one - h)"),
    Fault("recurrent bias without a gradient", "rnn/recurrent_layer.cc",
          "std::copy_n(parameters_[kBiasIh].gradient.data(), shared, db_hh);", ""),
    Fault("recurrent weights' gradient from the wrong step", "rnn/recurrent_layer.cc",
          "loop.y.tokens().row_block(0, pairs)", "loop.y.tokens().row_block(1, pairs)"),
    Fault("a sequence's last state leaks into the next one's gradient", "rnn/recurrent_layer.cc",
          "set_zero(loop.gates.step(0));", ""),
    Fault("persistent loop starts from the state of the last call", "rnn/persistent_loop.h",
          "std::fill_n(state(loop.h, 1, loop.y).data, B * state_stride<T>(D), T{0});", ""),

    # attention
    Fault("naive attention without 1/√d_k", "attention/naive_attention.cc",
          "as_eigen(P) *= logit_scale<T>(shape.head_width);", ""),
    Fault("naive attention's dQ and dK without 1/√d_k", "attention/naive_attention.cc",
          "as_eigen(dS) *= logit_scale<T>(shape.head_width);", ""),
    Fault("naive attention's mask off by one", "attention/scaled_dot_product.h",
          "std::fill(scores.row(i) + i + 1,",
          "std::fill(std::min(scores.row(i) + i + 2, scores.row(i) + scores.cols),"),
    Fault("naive attention's dK without the transpose", "attention/naive_attention.cc",
          "gemm_serial(dS, Q, head_of(gradients.dk, shape, head), {.transpose_a = true})",
          "gemm_serial(dS, Q, head_of(gradients.dk, shape, head))"),
    Fault("fused attention's mask off by one", "attention/fused_tile.h", "hn::Ge(hn::Iota", "hn::Gt(hn::Iota"),
    Fault("fused attention without 1/√d_k", "attention/fused_tile.h",
          "1.4426950408889634074 / std::sqrt(double(head_width))", "1.4426950408889634074"),
    Fault("fused attention's sum is not rescaled when the maximum moves", "attention/fused_tile.h",
          "l[v] = hn::Mul(l[v], shrink);", ""),
    Fault("fused attention does not mask tiles on the diagonal", "attention/fused_tile.h",
          "return causal && key + keys - 1 > query", "return causal && key > query"),
    Fault("fused attention's causal backward passes over the diagonal's first queries",
          "attention/fused_attention_backward.cc",
          "chunk.first / kQueryTile<T> * kQueryTile<T>", "parts_in(chunk.first, kQueryTile<T>) * kQueryTile<T>"),
    Fault("values read as keys", "attention/multi_head_attention.cc",
          ".v = qkv.block_range(2 * H, H)", ".v = qkv.block_range(H, H)"),
    Fault("half of attention's FLOPs", "attention/multi_head_attention.cc",
          "4 * B * T * T * D;", "2 * B * T * T * D;"),
    Fault("decoding does not see the newest token", "attention/multi_head_attention.cc",
          ".context = cached_tokens_,", ".context = std::max<Index>(cached_tokens_ - 1, 1),"),
    Fault("decoding weighs the parts of a long context alike", "attention/decode.cc",
          "sum += weight * splits.sum[c]", "sum += splits.sum[c]"),
    Fault("every position wave has its own frequency", "attention/positional_encoding.cc",
          "even = j / 2 * 2", "even = j"),

    # harness
    Fault("median of an even count", "harness/base/statistics.cc",
          "(values[half - 1] + values[half]) / 2", "values[half]", suites="Median*"),
    Fault("median's interval one value too narrow", "harness/base/statistics.cc",
          "cdf(below, double(cut + 1)) <= 0.05", "cdf(below, double(cut)) <= 0.05",
          suites="Median*"),
    Fault("growth exponent's interval too narrow", "harness/base/statistics.cc",
          "residual / (n - 2) / sxx", "residual / n / sxx", suites="PowerFit*"),
    Fault("Mann-Whitney without the correction for ties", "harness/base/mann_whitney.cc",
          "(all + 1 - tie_term / (all * (all - 1)))", "(all + 1)", suites="MannWhitney*"),
    Fault("Mann-Whitney counts a tie for one side", "harness/base/mann_whitney.cc",
          "second == first ? 0.5 : 0", "second == first ? 1 : 0", suites="MannWhitney*"),
    Fault("ratio of two builds upside down", "harness/base/mann_whitney.cc",
          "ratios.push_back(second / first)", "ratios.push_back(first / second)",
          suites="RatioInterval*"),
    Fault("a recurrent train pass as cheap as two forward passes", "harness/models/registry.cc",
          ".bulk_flops = 4 * T * product", ".bulk_flops = 2 * T * product",
          suites="LimitSeconds*"),
    Fault("speedup's work ratio upside down", "harness/timing/scaling_analysis.cc",
          "b.flops / a.flops", "a.flops / b.flops", suites="Speedup*"),
]
