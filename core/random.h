// Seeded random numbers whose sequence is the same on every platform: the engine is the standard's
// Mersenne Twister, the distributions (which the standard leaves open) are written out here.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

class Random {
 public:
  /// Independent streams for the same seed: one for parameters, one for training data, ...
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);

  /// 64 random bits.
  std::uint64_t bits() { return engine_(); }
  /// Uniform in [0, 1), 53 random bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box & Muller 1958).
  double normal();
  /// Uniform integer in [0, count), without modulo bias. count ≥ 1.
  Index below(Index count);

 private:
  std::mt19937_64 engine_;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

/// Puts the elements in random order (Fisher & Yates), every order as likely.
template <typename T>
void shuffle(Random& random, std::vector<T>& elements) {
  for (std::size_t n = elements.size(); n > 1; --n) {
    std::swap(elements[n - 1], elements[static_cast<std::size_t>(random.below(Index(n)))]);
  }
}

/// Fills with N(mean, deviation²), drawn in order.
template <typename T>
void fill_normal(Random& random, std::span<T> values, double mean = 0, double deviation = 1);

/// Fills with U[low, high), drawn in order.
template <typename T>
void fill_uniform(Random& random, std::span<T> values, double low, double high);

}  // namespace seqbench
