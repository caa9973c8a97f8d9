#include "core/dropout.h"

#include <cmath>

namespace seqbench {

template <typename T>
void draw_multipliers(const Dropout& dropout, std::span<T> multipliers) {
  assert(dropout.drops());
  constexpr int kBits = 16;  // of each draw, so that one number of the engine serves four
  constexpr double kValues = 1 << kBits;
  const auto dropped = static_cast<std::uint64_t>(std::lround(dropout.probability * kValues));
  const T kept = static_cast<T>(kValues / (kValues - double(dropped)));
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < multipliers.size(); ++i, bits >>= kBits) {
    if (i % (64 / kBits) == 0) bits = dropout.random->bits();
    multipliers[i] = (bits & ((1u << kBits) - 1)) < dropped ? T{0} : kept;
  }
}

template void draw_multipliers(const Dropout&, std::span<float>);
template void draw_multipliers(const Dropout&, std::span<double>);

}  // namespace seqbench
