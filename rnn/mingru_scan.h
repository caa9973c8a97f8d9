// The `scan` kernel of the minimal GRU (rnn/mingru.h): one product over all tokens, and behind each
// of its tiles, while that is in L1, the steps of those tokens.
//
//   forward    a = x·Wᵀ + b, a tile of neighbouring tokens and units at a time; then z, h̃ and h
//   backward   da in the place of z and h̃, step by step from the end, before the products with it
//
// A task is some sequences and a share of the units, and waits for none of the others. Its tokens
// are taken in order, all of its units before the next ones, so that x comes from memory once, and
// h_{t−1} stands above the tile in y. W is packed before, both halves of a unit in one panel.
//
// Steps that start from a state which is not known yet take two passes: scan_summary() leaves the
// gates and what the steps do to any state, and once that state has come, the gates are blended to
// h. That moves 5·N·D elements (writes z and h̃, reads both, writes h). To run from the state 0 and
// then correct each h by Π (1 − z) ∘ h_{−1} moves as many in inference (writes z and h, reads both,
// writes h) and 6·N·D in training, which keeps h̃ too; and its h is a sum of two where this one's
// stays between the candidates.
//
// Every sum runs in the order of its terms and no sequence is cut in time, so that the result is
// bit-equal for any team. A tree over blocks of time would read and write h once more, beside a
// product that keeps all cores busy as it is.
//
// The factors of the product are T, or pairs of bfloat16 (core/bfloat16.h): W is rounded while it
// is packed, a tile of x once for all panels. Sums, gates and states stay T, and what backward
// computes.
//
// Cost forward: 4·N·C·D FLOPs for N tokens of C channels; x is read and y written once, and so are
// z and h̃ where they are kept. Backward: 4·N·D elements read, 2·N·D written.
#pragma once

#include <algorithm>
#include <numeric>

#include "core/bfloat16.h"
#include "core/embedding.h"
#include "core/gemm_options.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/sequence_layer.h"
#include "core/tensor.h"
#include "core/thread_team.h"
#include "rnn/loop_plan.h"
#include "rnn/mingru.h"

namespace seqbench {

template <typename T>
struct ScanForward {
  Candidate candidate = Candidate::kPositive;
  Factors factors = Factors::kAsTheyAre;  // kBfloat16 in float alone
  MatrixView<const T> weight;             // W [2·D, C]
  const T* bias = nullptr;                // b [2·D]
  SequenceView<const T> x;                // [B, T, C]
  SequenceView<T> y;                      // [B, T, D] assigned
  MatrixView<const T> h_start = {};       // [B, D] h_{−1}; empty: 0
  SequenceView<T> gates;                  // [B, T, 2·D] assigned z and h̃, unless it is empty
  T* packed_weights = nullptr;  // [C, 2·columns] scratch, C in elements of the factors; columns = D
                                // in whole vectors
  T* packed_bias = nullptr;  // [2·columns] scratch
  T* rounded_x = nullptr;  // [workers of the team, rounded_tile_elements(C)] scratch, where factors
                           // are rounded
};

template <typename T>
void scan_forward(const ThreadTeam& team, const ScanForward<T>& pass);

/// The gates alone, and what the steps of each sequence do to the state before them.
template <typename T>
struct ScanSummary {
  ScanForward<T> pass;  // whose y gives B, T and D alone, and whose h_start is not looked at
  MatrixView<T> end;    // [B, D] assigned: h after = end + rest ∘ h before
  MatrixView<T> rest;   // [B, D] assigned Π (1 − z)
};

template <typename T>
void scan_summary(const ThreadTeam& team, const ScanSummary<T>& summary);

/// Forward of tokens whose z and h̃ are there already, such as those that share rows of the input.
template <typename T>
struct ScanSharedForward {
  const Token* rows = nullptr;       // [B·T] of each token in `shared`; null: its own
  MatrixView<const T> shared;        // [U or B·T, 2·D] z and h̃
  MatrixView<const T> h_start = {};  // [B, D] h_{−1}; empty: 0
  SequenceView<T> y;                 // [B, T, D] assigned
};

template <typename T>
void scan_forward(const ThreadTeam& team, const ScanSharedForward<T>& pass);

template <typename T>
struct ScanBackward {
  Candidate candidate = Candidate::kPositive;
  const Token* rows = nullptr;       // [B·T] of each token in `gates`; null: its own
  MatrixView<const T> gates;         // [B·T or U, 2·D] z and h̃
  MatrixView<const T> h_start = {};  // [B, D] h_{−1}; empty: 0
  SequenceView<const T> y;           // [B, T, D]
  SequenceView<const T> dy;          // [B, T, D]
  SequenceView<T> da;                // [B, T, 2·D] assigned; may be gates
  MatrixView<const T> dh_end = {};   // [B, D] gradient of the state after the last step from what
                                     // follows it; empty: 0
  MatrixView<T> dh = {};             // [B, D] assigned that of h_{−1}; not dh_end
  MatrixView<T> sums = {};           // [B, 2·D] assigned Σ_t da
};

template <typename T>
void scan_backward(const ThreadTeam& team, const ScanBackward<T>& pass);

/// The gradient of the state before some steps as far as it comes from these: what a summary is
/// forward. That from behind adds Π (1 − z) times itself.
template <typename T>
struct ScanBackwardSummary {
  MatrixView<const T> gates;  // [B·T, 2·D] z and h̃
  SequenceView<const T> dy;   // [B, T, D]
  MatrixView<T> dh;           // [B, D] assigned
};

template <typename T>
void scan_backward_summary(const ThreadTeam& team, const ScanBackwardSummary<T>& pass);

/// How a pass is shared out: groups of whole sequences, and each of them by shares of the units.
struct ScanPlan {
  Index sequence_groups;
  Index unit_shares;
};

/// Tokens of a tile: with the columns of a panel 24 KiB of floats (AVX-512), which an L1 cache of
/// 32 KiB holds beside the rows that come and go; a multiple of the register block's 6 and 12 rows.
inline constexpr Index kScanTileRows = 96;

/// Memory of a tile of x whose rows of C channels are rounded, in elements of T.
template <typename T>
constexpr Index rounded_tile_elements(Index channels) {
  return kScanTileRows * state_stride<T>(elements_of_depth<Bfloat16Pair>(channels));
}

/// Vectors of units in a panel, whose columns are those of one register block.
inline constexpr Index kScanBlockVectors = kBlockVectors / kMinGruGates;
static_assert(kScanBlockVectors * kMinGruGates == kBlockVectors);

/// For D units and `flops` in all. A group fills a tile; units are shared where there are too few
/// groups to keep the workers equally busy.
template <typename T>
ScanPlan plan_scan(SequenceShape shape, Index width, double flops, int workers) {
  constexpr double kSerialFlops = 1e6;  // some 10 µs: waking the team would cost more
  constexpr Index kEnoughGroups = 8;    // for each worker: the last ones may be uneven
  const Index n = workers;
  if (n == 1 || flops < kSerialFlops) return {1, 1};
  const Index of_group = std::min(shape.batch, parts_in(kScanTileRows, shape.steps));
  const Index groups = parts_in(shape.batch, of_group);
  if (groups >= kEnoughGroups * n) return {groups, 1};
  const Index panels = parts_in(parts_in(width, unit_lanes<T>()), kScanBlockVectors);
  return {groups, std::min(panels, n / std::gcd(n, groups))};
}

}  // namespace seqbench
