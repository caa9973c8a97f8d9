#include "core/random.h"

#include <cmath>
#include <numbers>

namespace seqbench {

Random::Random(std::uint64_t seed, std::uint64_t stream) {
  std::seed_seq words{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                      static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  engine_.seed(words);
}

double Random::uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 − u lies in (0, 1]
  const double angle = 2 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

Index Random::below(Index count) {
  assert(count >= 1);
  const auto range = static_cast<std::uint64_t>(count);
  // Draws at or above the largest multiple of `range` would favour small results: draw again.
  const std::uint64_t limit = engine_.max() - engine_.max() % range;
  std::uint64_t draw = engine_();
  while (draw >= limit) draw = engine_();
  return static_cast<Index>(draw % range);
}

template <typename T>
void fill_normal(Random& random, std::span<T> values, double mean, double deviation) {
  for (T& value : values) value = static_cast<T>(mean + deviation * random.normal());
}

template <typename T>
void fill_uniform(Random& random, std::span<T> values, double low, double high) {
  for (T& value : values) value = static_cast<T>(random.uniform(low, high));
}

template void fill_normal(Random&, std::span<float>, double, double);
template void fill_normal(Random&, std::span<double>, double, double);
template void fill_uniform(Random&, std::span<float>, double, double);
template void fill_uniform(Random&, std::span<double>, double, double);

}  // namespace seqbench
