// The minimal GRU (rnn/mingru.h) as a sequence layer: D in, D out, from the state 0 unless carry()
// says another, parameters
//
//   weight_ih_l0 [2·D, D]    bias_ih_l0 [2·D]
//
// with the rows of z, then those of h̃.
//
// Cost of a forward pass: 4·B·T·D² FLOPs, all of them in one product that needs no loop.
#pragma once

#include <memory>
#include <string>

#include "core/gemm_options.h"
#include "core/sequence_layer.h"
#include "rnn/mingru.h"

namespace seqbench {

/// Where the products stand. Both agree up to rounding.
enum class MinGruKernel {
  kStepwise,  // every product inside the time loop, forward and backward
  kScan,      // one product over all B·T tokens, the steps behind its tiles (rnn/mingru_scan.h)
};

struct MinGruOptions {
  Index width = 1;  // D ≥ 1
  MinGruKernel kernel = MinGruKernel::kScan;
  Candidate candidate = Candidate::kPositive;
  // Of all products; kBfloat16 of kScan in float alone.
  Factors factors = Factors::kAsTheyAre;
};

/// A layer whose parameters are zero; initialise() draws all of them from U(±1/√D), as nn.Linear
/// does. backward() consumes what forward kept: one backward for each forward. Decode keeps no
/// memory of the context but the state. Throws std::invalid_argument when width < 1. In float and
/// double.
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_mingru(const MinGruOptions& options);

/// What SequenceLayer::cost() of such a layer says, without one.
template <typename T>
LayerCost mingru_cost(const MinGruOptions& options, SequenceShape shape, Pass pass, int workers);

/// What its SequenceLayer::row_scratch() says.
double mingru_row_scratch(const MinGruOptions& options, RowCounts rows);

/// How the `scan` of a forward or training pass is shared out among so many workers, such as
/// "units/2" or "sequences/16"; "" for a kernel or pass without a choice.
std::string mingru_form(const MinGruOptions& options, SequenceShape shape, Pass pass, int workers);

}  // namespace seqbench
