#include "harness/commands/comparison.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

SideOfCase measured(std::vector<double> fractions) {
  return {.status = "ok", .fractions = std::move(fractions)};
}

const std::vector<double> kSpeeds = {0.50, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58};

std::vector<double> times(double factor) {
  std::vector<double> speeds = kSpeeds;
  for (double& speed : speeds) speed *= factor;
  return speeds;
}

std::string verdict(const SideOfCase& before, const SideOfCase& after) {
  return compare_case("case", before, after, {}).verdict;
}

TEST(Comparison, TellsSlowerFromFasterFromSame) {
  EXPECT_EQ(verdict(measured(kSpeeds), measured(times(0.8))), "slower");
  EXPECT_EQ(verdict(measured(kSpeeds), measured(times(1.25))), "faster");
  EXPECT_EQ(verdict(measured(kSpeeds), measured(times(0.99))), "same");
  const Comparison comparison = compare_case("case", measured(kSpeeds), measured(times(0.8)), {});
  EXPECT_NEAR(comparison.ratio.median, 0.8, 0.01);
  EXPECT_LT(comparison.ratio.high, 1);
  EXPECT_LT(comparison.p_value, 0.001);
}

TEST(Comparison, DoesNotTellADifferenceBelowTheThreshold) {
  std::vector<double> steady, hardly_slower;
  for (int i = 0; i < 9; ++i) {
    steady.push_back(0.5 + 1e-5 * i);
    hardly_slower.push_back(0.996 * steady.back());
  }
  EXPECT_EQ(verdict(measured(steady), measured(hardly_slower)), "same");
  EXPECT_EQ(
      compare_case("case", measured(steady), measured(hardly_slower), {.threshold = 0.001}).verdict,
      "slower");
}

TEST(Comparison, SaysWhereItCannotTell) {
  EXPECT_EQ(verdict(measured({0.5, 0.6, 0.7}), measured({0.1, 0.2, 0.3})), "undecided");
  EXPECT_EQ(verdict(measured(kSpeeds), {}), "missing");
  EXPECT_EQ(verdict({}, measured(kSpeeds)), "missing");
  EXPECT_EQ(verdict(measured(kSpeeds), {.status = "skipped", .fractions = {}}), "missing");
}

TEST(Comparison, TakesASlowerOrANewlyFailedCaseForARegression) {
  const SideOfCase failed{.status = "failed", .fractions = {}};
  EXPECT_EQ(verdict(measured(kSpeeds), failed), "failed");
  EXPECT_EQ(verdict(failed, failed), "missing");
  const auto code = [](const SideOfCase& after) {
    return exit_code_of({compare_case("case", measured(kSpeeds), after, {})});
  };
  EXPECT_EQ(code(failed), 3);
  EXPECT_EQ(code(measured(times(0.8))), 3);
  EXPECT_EQ(code(measured(times(1.25))), 0);
  EXPECT_EQ(code(measured(kSpeeds)), 0);
  EXPECT_EQ(code({}), 0);
}

TEST(Comparison, LeavesTheRatioOfAMissingCaseEmpty) {
  const CsvRow row = comparison_row(compare_case("case", measured(kSpeeds), {}, {}));
  EXPECT_FALSE(row.contains("ratio"));
  EXPECT_EQ(row.at("old_repetitions").text(), "9");
  EXPECT_EQ(row.at("new_repetitions").text(), "0");
}

}  // namespace
}  // namespace seqbench
