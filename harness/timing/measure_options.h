// How long and how often a case is measured, as the command line says.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness/base/command_line.h"

namespace seqbench {

struct MeasureOptions {
  int repetitions = 12;  // of each case in all, unless `precision` asks for more
  /// Over which repetitions are spread, each with its own place in memory; 1: this one.
  int processes = 6;
  double min_seconds = 0.02;  // of each repetition
  /// Repetitions are added until half the width of the interval of a case's seconds is at most this
  /// share of them, each from a further process; 0: none are.
  double precision = 0;
  double precision_seconds = 60;  // most that the added repetitions of a group may take
  std::uint64_t seed = 1;
  double memory_limit_bytes = 0;

  /// Of the processes those that the repetitions asked for are enough for.
  int busy_processes() const { return std::min(processes, repetitions); }
};

/// Declares --min-time, --seed and --memory-limit.
void add_timing_options(CommandLine& line);

/// The values of those options; repetitions are as by default.
MeasureOptions parse_timing_options(const CommandLine& line);

/// Declares those, --repetitions, --precision and --precision-time.
void add_measure_options(CommandLine& line);

/// The values of all of them; checks what follows `--` and passes it to Google Benchmark. Throws
/// UsageError.
MeasureOptions parse_measure_options(const CommandLine& line);

}  // namespace seqbench
