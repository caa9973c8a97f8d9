// The minimal gated recurrent unit (Feng et al. 2024, "Were RNNs All We Needed?", sec. 3.1 and
// app. B): a GRU whose gate and candidate see the input alone, so that its state is a linear
// recurrence and all products can be taken before the loop. With a [2·D] = W·x_t + b in the order
// z h̃:
//
//   z = σ(a_z)    h̃ = g(a_h)    h_t = (1 − z) ∘ h_{t−1} + z ∘ h̃
//
//   g(v) = v + ½ for v ≥ 0, σ(v) below;    linear candidate: g(v) = v
//
// computed as h_{t−1} + z ∘ (h̃ − h_{t−1}): one rounding fewer, and the same one for a gate at 0. No
// logarithms: h stays between the smallest and the largest candidate, whatever the gates are.
//
// Cost per token: 4·D² FLOPs in the product; the step reads 2·D elements of a and writes D. Kept
// for backward: z and h̃ in the place of a.
#pragma once

#include <type_traits>

#include "core/simd.h"
#include "core/tensor.h"

namespace seqbench {

enum class Candidate {
  kPositive,  // the paper's g
  kLinear,
};

inline constexpr Index kMinGruGates = 2;  // z and h̃
inline constexpr Index kMinGruZ = 0, kMinGruH = 1;

/// g(v).
template <Candidate kCandidate, class Tag, class V>
HWY_INLINE V mingru_candidate(Tag d, V v) {
  if constexpr (kCandidate == Candidate::kLinear) {
    return v;
  } else {
    const V half = hn::Set(d, 0.5);
    return hn::IfThenElse(hn::Lt(v, hn::Zero(d)), sigmoid(d, v), hn::Add(v, half));
  }
}

/// g′(v) from c = g(v): c ≥ ½ where v ≥ 0, but for −ε < v < 0, whose σ rounds to ½ too.
template <Candidate kCandidate, class Tag, class V>
HWY_INLINE V mingru_candidate_slope(Tag d, V c) {
  const V one = hn::Set(d, 1);
  if constexpr (kCandidate == Candidate::kLinear) {
    return one;
  } else {
    return hn::IfThenElse(hn::Lt(c, hn::Set(d, 0.5)), c * (one - c), one);
  }
}

/// Calls body(std::integral_constant<Candidate, candidate>()).
template <typename Body>
void with_candidate(Candidate candidate, const Body& body) {
  if (candidate == Candidate::kLinear) {
    body(std::integral_constant<Candidate, Candidate::kLinear>());
  } else {
    body(std::integral_constant<Candidate, Candidate::kPositive>());
  }
}

/// Forward: neighbouring steps of one sequence and some of its units; a row a step.
template <typename T>
struct MinGruSteps {
  MatrixView<const T> a_z, a_h;  // [steps, units] the halves of W·x + b
  const T* h_previous;           // [units] h before the first step; null: 0
  MatrixView<T> h;               // [steps, units] assigned
  MatrixView<T> z, candidate;    // [steps, units] assigned, unless they are empty; may be a_z, a_h
};

/// The units of a vector take all steps, one vector after the other: h stays in a register.
template <Candidate kCandidate, typename T>
void mingru_advance(const MinGruSteps<T>& run) {
  const bool keeps = run.z.data != nullptr;
  for_each_vector<T>(run.h.cols, [&](auto d, Index j) {
    auto h = run.h_previous == nullptr ? hn::Zero(d) : hn::LoadU(d, run.h_previous + j);
    for (Index t = 0; t < run.h.rows; ++t) {
      const auto z = sigmoid(d, hn::LoadU(d, run.a_z.row(t) + j));
      const auto c = mingru_candidate<kCandidate>(d, hn::LoadU(d, run.a_h.row(t) + j));
      h = hn::MulAdd(z, c - h, h);
      hn::StoreU(h, d, run.h.row(t) + j);
      if (!keeps) continue;
      hn::StoreU(z, d, run.z.row(t) + j);
      hn::StoreU(c, d, run.candidate.row(t) + j);
    }
  });
}

/// What neighbouring steps of one sequence do to any state before them, as far as they are linear
/// in it: h after = end + rest ∘ h before, with rest = Π (1 − z). Some of its units; a row a step.
template <typename T>
struct MinGruSummary {
  MatrixView<const T> a_z, a_h;  // [steps, units] the halves of W·x + b
  T *end, *rest;               // [units] in: of the steps before, 0 and 1 of none; out: with these
  MatrixView<T> z, candidate;  // [steps, units] assigned; may be a_z, a_h
};

template <Candidate kCandidate, typename T>
void mingru_summarise(const MinGruSummary<T>& run) {
  for_each_vector<T>(run.a_z.cols, [&](auto d, Index j) {
    const auto one = hn::Set(d, T{1});
    auto end = hn::LoadU(d, run.end + j), rest = hn::LoadU(d, run.rest + j);
    for (Index t = 0; t < run.a_z.rows; ++t) {
      const auto z = sigmoid(d, hn::LoadU(d, run.a_z.row(t) + j));
      const auto c = mingru_candidate<kCandidate>(d, hn::LoadU(d, run.a_h.row(t) + j));
      end = hn::MulAdd(z, c - end, end);
      rest = rest * (one - z);
      hn::StoreU(z, d, run.z.row(t) + j);
      hn::StoreU(c, d, run.candidate.row(t) + j);
    }
    hn::StoreU(end, d, run.end + j);
    hn::StoreU(rest, d, run.rest + j);
  });
}

/// z and h̃ of some rows in the place of a [rows, 2·D].
template <Candidate kCandidate, typename T>
void mingru_activate(MatrixView<T> a) {
  const Index D = a.cols / kMinGruGates;
  for (Index i = 0; i < a.rows; ++i) {
    T *const z = a.row(i) + kMinGruZ * D, *const c = a.row(i) + kMinGruH * D;
    for_each_vector<T>(D, [&](auto d, Index j) {
      hn::StoreU(sigmoid(d, hn::LoadU(d, z + j)), d, z + j);
      hn::StoreU(mingru_candidate<kCandidate>(d, hn::LoadU(d, c + j)), d, c + j);
    });
  }
}

/// One step forward from z and h̃: h [units] = h_{t−1} + z ∘ (h̃ − h_{t−1}).
template <typename T>
struct MinGruBlend {
  Index units;
  const T *z, *candidate;
  const T* h_previous;  // null: 0
  T* h;                 // assigned
};

template <typename T>
void mingru_blend(const MinGruBlend<T>& row) {
  for_each_vector<T>(row.units, [&](auto d, Index j) {
    const auto before = row.h_previous == nullptr ? hn::Zero(d) : hn::LoadU(d, row.h_previous + j);
    const auto c = hn::LoadU(d, row.candidate + j);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, row.z + j), c - before, before), d, row.h + j);
  });
}

/// Backward of one step of one sequence and some of its units.
template <typename T>
struct MinGruBackwardRow {
  Index units;
  const T* dy;             // gradient of y_t = h_t from outside
  const T* h_previous;     // h_{t−1}; null: 0
  const T *z, *candidate;  // as forward left them
  T *da_z, *da_h;          // assigned; may be z and candidate
  T* dh;                   // in: gradient of h_t from step t+1; out: of h_{t−1}
  T *sum_z, *sum_h;        // da is added
};

/// With dh whole: dz = dh ∘ (h̃ − h_{t−1}), dh̃ = dh ∘ z, dh_{t−1} = dh ∘ (1 − z); σ′ = σ(1 − σ).
template <Candidate kCandidate, typename T>
void mingru_retreat(const MinGruBackwardRow<T>& row) {
  for_each_vector<T>(row.units, [&](auto d, Index j) {
    const auto one = hn::Set(d, 1);
    const auto z = hn::LoadU(d, row.z + j);
    const auto c = hn::LoadU(d, row.candidate + j);
    const auto before = row.h_previous == nullptr ? hn::Zero(d) : hn::LoadU(d, row.h_previous + j);
    const auto dh = hn::LoadU(d, row.dy + j) + hn::LoadU(d, row.dh + j);

    const auto dc = dh * z;
    const auto da_z = dc * (c - before) * (one - z);
    const auto da_h = dc * mingru_candidate_slope<kCandidate>(d, c);
    hn::StoreU(da_z, d, row.da_z + j);
    hn::StoreU(da_h, d, row.da_h + j);
    hn::StoreU(dh * (one - z), d, row.dh + j);
    hn::StoreU(hn::LoadU(d, row.sum_z + j) + da_z, d, row.sum_z + j);
    hn::StoreU(hn::LoadU(d, row.sum_h + j) + da_h, d, row.sum_h + j);
  });
}

/// The gradient of the state alone, past the same step.
template <typename T>
struct MinGruCarryRow {
  Index units;
  const T* dy;  // gradient of y_t = h_t from outside
  const T* z;
  T* dh;  // in: gradient of h_t from step t+1; out: of h_{t−1}
};

template <typename T>
void mingru_carry_back(const MinGruCarryRow<T>& row) {
  for_each_vector<T>(row.units, [&](auto d, Index j) {
    const auto dh = hn::LoadU(d, row.dy + j) + hn::LoadU(d, row.dh + j);
    hn::StoreU(dh * (hn::Set(d, T{1}) - hn::LoadU(d, row.z + j)), d, row.dh + j);
  });
}

}  // namespace seqbench
