// Wall time of what is not measured as carefully as a benchmark's repetition.
#pragma once

#include <chrono>

namespace seqbench {

class Stopwatch {
 public:
  /// Since this was made.
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace seqbench
