// Whether a case got slower from one set of repetitions to another.
#pragma once

#include <string>
#include <vector>

#include "harness/base/mann_whitney.h"
#include "harness/files/csv.h"

namespace seqbench {

/// What is known of one case on one side.
struct SideOfCase {
  std::string status;             // as in throughput.csv
  std::vector<double> fractions;  // of peak, of each repetition
};

struct CompareOptions {
  double alpha = 0.05;      // a smaller p-value is a difference
  double threshold = 0.01;  // a smaller difference, as a share of the speed, counts as none
};

struct Comparison {
  std::string case_id;
  SideOfCase old_side, new_side;
  MedianInterval ratio;  // new speed ÷ old speed, both relative to the peak in the same moment
  double p_value = 1;
  /// "faster", "slower", "same"; "undecided": too few repetitions to tell; "failed": in the new
  /// alone; "missing": not measured on one of the sides.
  std::string verdict;

  bool is_regression() const { return verdict == "slower" || verdict == "failed"; }
};

/// Fills in ratio, p-value and verdict.
Comparison compare_case(const std::string& case_id, SideOfCase old_side, SideOfCase new_side,
                        const CompareOptions& options);

extern const std::vector<std::string> kCompareColumns;
CsvRow comparison_row(const Comparison& comparison);

/// The table on standard output, a line a case, and how many there are of each verdict.
void print_comparison_header();
void print_comparison(const Comparison& comparison);
void print_comparison_summary(const std::vector<Comparison>& comparisons);

/// 3 when one of them is a regression, else 0.
int exit_code_of(const std::vector<Comparison>& comparisons);

}  // namespace seqbench
