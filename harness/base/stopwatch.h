// Wall time of what is not measured as carefully as a benchmark's repetition.
#pragma once

#include <chrono>

namespace seqbench {

class Stopwatch {
 public:
  /// Since this was made, but for what was left out.
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() -
           left_out_;
  }

  /// Calls what does not count.
  template <class Call>
  void leave_out(const Call& call) {
    const Stopwatch apart;
    call();
    left_out_ += apart.seconds();
  }

 private:
  double left_out_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace seqbench
