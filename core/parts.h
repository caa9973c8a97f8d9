// How a range is cut: into parts of a size, or into parts of nearly equal size.
#pragma once

#include <algorithm>

#include "core/tensor.h"

namespace seqbench {

/// Parts of `most` that n ≥ 0 things fill, the last one perhaps in part: ⌈n / most⌉.
constexpr Index parts_in(Index n, Index most) { return (n + most - 1) / most; }

/// [first, first + count) of a range.
struct Part {
  Index first, count;
};

/// n ≥ 0 things in parts of nearly equal size: the first ones have one thing more than the others.
/// Asking for a part takes no division, since inner loops do.
class EvenParts {
 public:
  static EvenParts into(Index n, Index parts) {
    return parts == 1 ? EvenParts{1, n, 0} : EvenParts{parts, n / parts, n % parts};
  }
  /// As few parts as `most` things each allow; one if there is nothing.
  static EvenParts of_at_most(Index n, Index most) {
    return into(n, n <= most ? 1 : parts_in(n, most));
  }

  Index count() const { return count_; }
  Part operator[](Index i) const {
    return {i * size_ + std::min(i, larger_), size_ + (i < larger_ ? 1 : 0)};
  }

 private:
  EvenParts(Index count, Index size, Index larger) : count_(count), size_(size), larger_(larger) {}

  Index count_, size_, larger_;
};

}  // namespace seqbench
