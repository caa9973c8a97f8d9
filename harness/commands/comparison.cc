#include "harness/commands/comparison.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "harness/base/command_line.h"
#include "harness/base/utf8.h"

namespace seqbench {
namespace {

std::string verdict_on(const Comparison& comparison, const CompareOptions& options) {
  if (comparison.p_value >= options.alpha) return "same";
  if (comparison.ratio.median < 1 - options.threshold) return "slower";
  if (comparison.ratio.median > 1 / (1 - options.threshold)) return "faster";
  return "same";
}

}  // namespace

const std::vector<std::string> kCompareColumns = {"case_id",
                                                  "old_repetitions",
                                                  "new_repetitions",
                                                  "old_fraction_of_peak",
                                                  "new_fraction_of_peak",
                                                  "ratio",
                                                  "ratio_low",
                                                  "ratio_high",
                                                  "p_value",
                                                  "verdict"};

Comparison compare_case(const std::string& case_id, SideOfCase old_side, SideOfCase new_side,
                        const CompareOptions& options) {
  Comparison result{.case_id = case_id,
                    .old_side = std::move(old_side),
                    .new_side = std::move(new_side),
                    .ratio = {},
                    .verdict = ""};
  const TwoSamples samples{.first = result.old_side.fractions, .second = result.new_side.fractions};
  if (result.new_side.status == "failed" && result.old_side.status != "failed") {
    result.verdict = "failed";
  } else if (samples.first.empty() || samples.second.empty()) {
    result.verdict = "missing";
  } else {
    result.ratio = ratio_interval(samples);
    result.p_value = mann_whitney_p(samples);
    const bool can_tell = least_mann_whitney_p(samples) < options.alpha;
    result.verdict = can_tell ? verdict_on(result, options) : "undecided";
  }
  return result;
}

CsvRow comparison_row(const Comparison& comparison) {
  CsvRow row;
  row["case_id"] = comparison.case_id;
  row["verdict"] = comparison.verdict;
  const auto add_side = [&row](const std::string& name, const SideOfCase& side) {
    row[name + "_repetitions"] = static_cast<Index>(side.fractions.size());
    if (!side.fractions.empty()) row[name + "_fraction_of_peak"] = median(side.fractions);
  };
  add_side("old", comparison.old_side);
  add_side("new", comparison.new_side);
  if (comparison.ratio.median > 0) {
    row["ratio"] = comparison.ratio.median;
    row["ratio_low"] = comparison.ratio.low;
    row["ratio_high"] = comparison.ratio.high;
    row["p_value"] = comparison.p_value;
  }
  return row;
}

void print_comparison_header() {
  std::printf("%-52s %9s %9s %7s %17s %9s  %s\n", "case", "old", "new", "ratio", "95 % interval",
              "p", "verdict");
}

void print_comparison(const Comparison& comparison) {
  const auto fraction = [](const SideOfCase& side) {
    char text[16];
    std::snprintf(text, sizeof(text), "%.4f", side.fractions.empty() ? 0 : median(side.fractions));
    return side.fractions.empty() ? std::string("-") : std::string(text);
  };
  std::printf("%-52s %9s %9s", printable(comparison.case_id).c_str(),
              fraction(comparison.old_side).c_str(), fraction(comparison.new_side).c_str());
  if (comparison.ratio.median > 0) {
    std::printf(" %7.3f   %6.3f .. %6.3f %9.2g", comparison.ratio.median, comparison.ratio.low,
                comparison.ratio.high, comparison.p_value);
  } else {
    std::printf(" %7s %17s %9s", "-", "-", "-");
  }
  std::printf("  %s\n", comparison.verdict.c_str());
  std::fflush(stdout);
}

void print_comparison_summary(const std::vector<Comparison>& comparisons) {
  std::vector<std::string> parts;
  for (const char* verdict : {"slower", "failed", "faster", "same", "undecided", "missing"}) {
    const auto count = std::ranges::count(comparisons, verdict, &Comparison::verdict);
    if (count > 0) parts.push_back(std::to_string(count) + " " + verdict);
  }
  std::printf("\nold, new: fraction of peak; ratio: speed of the new ÷ the old. %s.\n",
              join(parts).c_str());
  if (std::ranges::count(comparisons, "undecided", &Comparison::verdict) > 0) {
    std::printf(
        "undecided: too few repetitions for any p-value below the limit; raise "
        "--repetitions.\n");
  }
}

int exit_code_of(const std::vector<Comparison>& comparisons) {
  return std::ranges::any_of(comparisons, &Comparison::is_regression) ? 3 : 0;
}

}  // namespace seqbench
