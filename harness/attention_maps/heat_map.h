// A matrix of attention weights as text: a line for each word that asks, a column for each word
// that is read.
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// Weights [T, T] in percent, each with a block as dark as the weight is large. The words are
/// UTF-8. Every line ends with a line break.
std::string heat_map(const std::vector<std::string>& words, MatrixView<const double> weights);

/// The text, filled with spaces up to so many characters, on the right or on the left.
std::string padded_right(const std::string& text, std::size_t width);
std::string padded_left(const std::string& text, std::size_t width);

}  // namespace seqbench
