// What a workload is drawn from: one stream of random numbers for each kind of tensor.
#pragma once

#include <cstdint>
#include <span>

#include "core/random.h"
#include "core/sequence_layer.h"
#include "harness/timing/case.h"

namespace seqbench {

/// Each of its own, so that a reference can draw the same.
constexpr std::uint64_t kParameterStream = 1;
constexpr std::uint64_t kInputStream = 2;
constexpr std::uint64_t kGradientStream = 3;

/// Fills with standard normal numbers of 65,536 equally likely values, in a fifth of the time of
/// Random::normal(), with which drawing took a tenth of a sweep.
template <typename T>
void draw_normal(Random& random, std::span<T> values);

/// Draws a layer's parameters as PyTorch does, or as the case's start says, for dependencies over
/// all of its steps.
template <typename T>
void initialise_as(const Case& one, Random& random, SequenceLayer<T>& layer);

}  // namespace seqbench
