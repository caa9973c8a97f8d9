// What follows from the rows of throughput.csv: growth exponents, attention's speedup over each
// recurrent model and its factors, and the length where the lead is lost. Pure functions of the
// table, so that a resumed run or an old directory gives the same answers.
#pragma once

#include <string>
#include <vector>

#include "harness/files/csv.h"

namespace seqbench {

extern const std::vector<std::string> kScalingColumns;
extern const std::vector<std::string> kSpeedupColumns;
extern const std::vector<std::string> kCrossoverColumns;

/// Rows of scaling.csv: seconds ∝ variable^exponent, for variable = seq_len, width and threads,
/// over all measured values and, where there are more than kTailPoints, over the largest of them
/// too (attention's exponent grows from 1 to 2 with the length).
std::vector<CsvRow> fit_scaling(const CsvTable& throughput);
constexpr std::size_t kTailPoints = 4;

/// Rows of speedup.csv, every attention case against every recurrent case of the same pass, batch,
/// length, width, threads and dtype:
///   speedup = work_ratio × efficiency_ratio × parallel_ratio
/// work_ratio = baseline FLOPs ÷ attention FLOPs; efficiency_ratio = attention FLOP/s ÷ baseline
/// FLOP/s, both on one thread; parallel_ratio = attention's gain from its threads ÷ the baseline's.
std::vector<CsvRow> compute_speedups(const CsvTable& throughput);

/// Rows of crossover.csv: the length at which the speedup falls to 1, interpolated on logarithms,
/// with the lengths at which the ends of its interval do; the length at which FLOPs are equal;
/// status `ok`, `always_ahead` or `never_ahead` within the measured lengths.
std::vector<CsvRow> find_crossovers(const std::vector<CsvRow>& speedups);

}  // namespace seqbench
