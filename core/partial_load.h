// Loads of the last, incomplete vector of a row.
#pragma once

#include <hwy/highway.h>

#include <algorithm>

#include "core/tensor.h"

namespace seqbench {

namespace hn = hwy::HWY_NAMESPACE;

/// Loads the first lanes of a vector: p[i] for i < count, 0 in the others. p need not be aligned,
/// and nothing behind is read.
template <class D>
class PartialLoad {
 public:
  /// 0 ≤ count ≤ lanes.
  HWY_INLINE PartialLoad(D d, Index count)
      : d_(d), mask_(hn::FirstN(d, static_cast<std::size_t>(count))), count_(count) {}

  HWY_INLINE hn::Vec<D> operator()(const hn::TFromD<D>* p) const {
#if HWY_MEM_OPS_MIGHT_FAULT && HWY_TARGET != HWY_AVX2  // which can mask 32 and 64 bits
    // Without masked loads (SSE, NEON), Highway reads the whole vector, and an aligned one.
    alignas(64) hn::TFromD<D> lanes[hn::MaxLanes(D())] = {};
    std::copy_n(p, count_, lanes);
    return hn::Load(d_, lanes);
#else
    return hn::MaskedLoad(mask_, d_, p);
#endif
  }

  hn::Mask<D> mask() const { return mask_; }

 private:
  D d_;
  hn::Mask<D> mask_;
  Index count_;
};

}  // namespace seqbench
