// Widths at which models have as many parameters as each other (`--match parameters`).
#pragma once

#include <functional>

#include "core/tensor.h"

namespace seqbench {

/// How far matched models may be apart, as a share.
constexpr double kMatchTolerance = 0.1;

/// The width, a multiple of `step`, with the number of parameters closest to `target`. `count` is
/// that of a model of a width, and grows with it.
Index closest_width(const std::function<Index(Index)>& count, Index target, Index step = 1);

/// Whether the number is within the tolerance of `target`.
bool is_matched(Index count, Index target);

}  // namespace seqbench
