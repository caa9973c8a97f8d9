#include "harness/timing/drawing.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cstddef>
#include <vector>

#include "harness/models/variants.h"

namespace seqbench {
namespace {

/// Quantiles (i + ½) ÷ 2¹⁶ of the standard normal distribution.
const std::vector<float>& normal_quantiles() {
  static const std::vector<float> quantiles = [] {
    constexpr std::size_t kCount = 1 << 16;
    const boost::math::normal normal;
    std::vector<float> values(kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      values[i] = static_cast<float>(boost::math::quantile(normal, (double(i) + 0.5) / kCount));
    }
    return values;
  }();
  return quantiles;
}

}  // namespace

template <typename T>
void draw_normal(Random& random, std::span<T> values) {
  const std::vector<float>& quantiles = normal_quantiles();
  const double count = double(quantiles.size());
  for (T& value : values) value = quantiles[static_cast<std::size_t>(count * random.uniform())];
}
template void draw_normal(Random&, std::span<float>);
template void draw_normal(Random&, std::span<double>);

template <typename T>
void initialise_as(const Case& one, Random& random, SequenceLayer<T>& layer) {
  if (one.start.empty()) return layer.initialise(random);
  initialise(random, layer, find_variant(one.layer.model, one.start)->initialisation,
             std::max<Index>(2, one.shape.steps));
}
template void initialise_as(const Case&, Random&, SequenceLayer<float>&);
template void initialise_as(const Case&, Random&, SequenceLayer<double>&);

}  // namespace seqbench
