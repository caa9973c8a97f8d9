// Problems for the attention kernels, and what the formula says about them.
#pragma once

#include <cmath>
#include <vector>

#include "attention/scaled_dot_product.h"
#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {

enum class Kernel { kNaive, kFused };

/// The window of one sequence and head in a matrix whose columns are the heads'.
template <typename T>
MatrixView<T> head_of(MatrixView<T> tensor, const AttentionShape& shape, Index b, Index h) {
  return head_of(in_blocks(tensor, shape.head_width), shape, b, h);
}

/// Q, K, V as columns of one projection [B·T, 3·D], as the layer has them, and dO [B·T, D].
template <typename T>
struct AttentionData {
  AttentionShape shape;
  Tensor<T> projection, d_output;
  Tensor<T> weight_multipliers = {};  // [B·H, T, T], for the naive kernel; empty: none

  explicit AttentionData(const AttentionShape& shape_)
      : shape(shape_),
        projection({shape.batch * shape.steps, 3 * width()}),
        d_output({shape.batch * shape.steps, width()}) {}

  Index width() const { return shape.heads * shape.head_width; }
  MatrixView<const T> part(Index p) const {
    return projection.matrix().column_block(p * width(), width());
  }
};

template <typename T>
AttentionData<T> random_attention(const AttentionShape& shape, std::uint64_t seed,
                                  double logit_deviation = 1) {
  Random random(seed);
  AttentionData<T> data(shape);
  const auto qkv = data.projection.matrix();
  // A product of d_k pairs of N(0, σ²) over √d_k has the deviation σ².
  const double sigma = std::sqrt(logit_deviation);
  for (Index i = 0; i < qkv.rows; ++i) {
    for (Index j = 0; j < qkv.cols; ++j) {
      qkv(i, j) = static_cast<T>((j < 2 * data.width() ? sigma : 1) * random.normal());
    }
  }
  fill_normal(random, data.d_output.values());
  return data;
}

template <typename To, typename From>
AttentionData<To> convert(const AttentionData<From>& from) {
  AttentionData<To> to(from.shape);
  std::ranges::copy(from.projection.values(), to.projection.values().begin());
  std::ranges::copy(from.d_output.values(), to.d_output.values().begin());
  return to;
}

/// O, dQ, dK, dV, each [B·T, D].
template <typename T>
struct AttentionResult {
  Tensor<T> o, dq, dk, dv;
};

/// Holds NaN, as if from a use before.
template <typename T>
AttentionWorkspace<Tensor<T>> allocate(const AttentionWorkspace<BufferShape>& shapes) {
  AttentionWorkspace<Tensor<T>> tensors;
  allocate_buffers(shapes, tensors);
  tensors.chunk_keys = shapes.chunk_keys;
  for (Tensor<T>* tensor : tensors.buffers()) {
    std::ranges::fill(tensor->values(), std::numeric_limits<T>::quiet_NaN());
  }
  return tensors;
}

/// Forward and backward by a kernel. Everything that it must assign holds NaN before.
template <typename T>
AttentionResult<T> run_kernel(Kernel kernel, const AttentionData<T>& data,
                              const ThreadTeam& team = ThreadTeam()) {
  const Index rows = data.d_output.matrix().rows, D = data.width();
  const Index d_k = data.shape.head_width;
  const auto unassigned = [&] {
    Tensor<T> tensor({rows, D});
    std::ranges::fill(tensor.values(), std::numeric_limits<T>::quiet_NaN());
    return tensor;
  };
  AttentionResult<T> result{unassigned(), unassigned(), unassigned(), unassigned()};
  const AttentionProblem<T> problem{.shape = data.shape,
                                    .q = in_blocks(data.part(0), d_k),
                                    .k = in_blocks(data.part(1), d_k),
                                    .v = in_blocks(data.part(2), d_k),
                                    .output = in_blocks(result.o.matrix(), d_k),
                                    .weight_multipliers = data.weight_multipliers.size() > 0
                                                              ? data.weight_multipliers.data()
                                                              : nullptr};
  const AttentionGradients<T> gradients{.d_output = in_blocks(data.d_output.matrix(), d_k),
                                        .dq = in_blocks(result.dq.matrix(), d_k),
                                        .dk = in_blocks(result.dk.matrix(), d_k),
                                        .dv = in_blocks(result.dv.matrix(), d_k)};
  if (kernel == Kernel::kNaive) {
    auto workspace = allocate<T>(naive_workspace(data.shape, Pass::kTrain, team.size()));
    naive_forward(team, problem, workspace);
    naive_backward(team, problem, gradients, workspace);
  } else {
    auto workspace = allocate<T>(fused_workspace<T>(data.shape, Pass::kTrain, team.size()));
    fused_forward(team, problem, workspace);
    fused_backward(team, problem, gradients, workspace);
  }
  return result;
}

/// The formula in plain loops, with softmax's whole Jacobian ∂p_j/∂s_k = p_j·(δ_jk − p_k).
inline AttentionResult<double> reference_attention(const AttentionData<double>& data) {
  const auto& [B, T, H, d_k, causal, factors] = data.shape;
  const std::vector<Index> shape{B * T, H * d_k};
  AttentionResult<double> result{Tensor<double>(shape), Tensor<double>(shape),
                                 Tensor<double>(shape), Tensor<double>(shape)};
  const double scale = 1 / std::sqrt(double(d_k));
  for (Index head = 0; head < B * H; ++head) {
    const auto of_head = [&, heads = data.shape.heads](auto view) {
      return head_of(view, data.shape, head / heads, head % heads);
    };
    const auto q = of_head(data.part(0)), k = of_head(data.part(1)), v = of_head(data.part(2));
    const auto d_o = of_head(std::as_const(data.d_output).matrix());
    const auto o = of_head(result.o.matrix()), dq = of_head(result.dq.matrix());
    const auto dk = of_head(result.dk.matrix()), dv = of_head(result.dv.matrix());
    for (Index i = 0; i < T; ++i) {
      const Index visible = causal ? i + 1 : T;
      std::vector<double> p(std::size_t(visible), 0.0), dp(p);
      double max = -INFINITY, sum = 0;
      for (Index j = 0; j < visible; ++j) {
        for (Index c = 0; c < d_k; ++c) p[std::size_t(j)] += q(i, c) * k(j, c) * scale;
        max = std::max(max, p[std::size_t(j)]);
      }
      for (double& s : p) sum += s = std::exp(s - max);
      for (double& s : p) s /= sum;
      for (Index j = 0; j < visible; ++j) {
        for (Index c = 0; c < d_k; ++c) {
          o(i, c) += p[std::size_t(j)] * v(j, c);
          dv(j, c) += p[std::size_t(j)] * d_o(i, c);
          dp[std::size_t(j)] += d_o(i, c) * v(j, c);
        }
      }
      for (Index j = 0; j < visible; ++j) {
        double ds = 0;
        for (Index n = 0; n < visible; ++n) {
          ds += dp[std::size_t(n)] * p[std::size_t(n)] * ((n == j) - p[std::size_t(j)]);
        }
        for (Index c = 0; c < d_k; ++c) {
          dq(i, c) += ds * k(j, c) * scale;
          dk(j, c) += ds * q(i, c) * scale;
        }
      }
    }
  }
  return result;
}

/// How far two correct kernels may lie apart, to first order in the rounding errors.
struct AttentionBounds {
  double o, dq, dk, dv;
};

/// With s = max Σ|q·k|/√d_k: a logit is off by at most eps·d_k·s, so that a probability is off by
/// the fraction r = eps·(2·d_k·s + 2·T + 10): numerator and denominator, T terms in the sum, some
/// roundings. A sum of T weighted terms adds eps·T. With a = max Σ|dO·V| and w the largest column
/// sum of P (at most T; at most what T queries give a key):
///   O   off by (r + eps·T)·max|V|
///   dS  off by P∘(4·r·a): dP and rowsum(P∘dP), each |·| ≤ a, each with the error of P and O in it
template <typename T>
AttentionBounds attention_bounds(const AttentionData<T>& data) {
  const auto& [B, steps, H, d_k, causal, factors] = data.shape;
  const double eps = std::numeric_limits<T>::epsilon(), scale = 1 / std::sqrt(double(d_k));
  double s = 0, a = 0, w = 0, largest[3] = {0, 0, 0}, largest_do = max_abs(data.d_output.values());
  for (Index part = 0; part < 3; ++part) {
    for (Index i = 0; i < B * steps; ++i) {
      for (Index j = 0; j < data.width(); ++j) {
        largest[part] = std::max(largest[part], std::abs(double(data.part(part)(i, j))));
      }
    }
  }
  for (Index head = 0; head < B * H; ++head) {
    const auto absolute =
        [&, heads = data.shape.heads](MatrixView<const T> view) -> RowMajorMatrix<double> {
      return as_eigen(head_of(view, data.shape, head / heads, head % heads))
          .template cast<double>();
    };
    const auto q = absolute(data.part(0)), k = absolute(data.part(1)), v = absolute(data.part(2));
    const auto d_o = absolute(data.d_output.matrix());
    RowMajorMatrix<double> p = q * k.transpose() * scale;
    s = std::max(s, (q.cwiseAbs() * k.cwiseAbs().transpose()).maxCoeff() * scale);
    a = std::max(a, (d_o.cwiseAbs() * v.cwiseAbs().transpose()).maxCoeff());
    for (Index i = 0; i < steps; ++i) {
      if (causal) p.row(i).tail(steps - i - 1).setConstant(-INFINITY);
      p.row(i) = (p.row(i).array() - p.row(i).maxCoeff()).exp();
      p.row(i) /= p.row(i).sum();
    }
    w = std::max(w, p.colwise().sum().maxCoeff());
  }
  const double r = eps * (2 * double(d_k) * s + 2 * double(steps) + 10);
  const double sum = eps * double(steps);
  return {.o = (r + sum) * largest[2],
          .dq = (4 * r + sum) * a * scale * largest[1],
          .dk = (4 * r + sum) * a * scale * largest[0] * w,
          .dv = (r + sum) * largest_do * w};
}

}  // namespace seqbench
