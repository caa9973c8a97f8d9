// One line on stderr that tells how far a command is and when it will end: on a terminal it is
// drawn anew, in a log it stands again every minute.
#pragma once

#include <chrono>
#include <string>

namespace seqbench {

class Progress {
 public:
  /// `total` units of expected work (any unit, such as FLOPs or steps). Shows nothing unless
  /// `wanted`.
  Progress(double total, bool wanted);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units are finished; `what` is under way. Shown at most ten times a second, in a log
  /// once a minute.
  void update(double done, const std::string& what);
  /// Whether update would show anything now: for callers whose `what` takes some making.
  bool is_due() const;
  /// Removes the line, so that other output can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  double total_;
  bool shown_;
  bool on_terminal_;
  Clock::time_point start_;
  Clock::time_point last_;
};

}  // namespace seqbench
