// Input: the arguments of `seqbench throughput`, one a line, then a zero byte and the file of
// --config. Either the values can be used, or the one error is a UsageError.
#include <algorithm>
#include <vector>

#include "fuzz/input.h"
#include "harness/base/errors.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/sweep.h"

namespace seqbench {
namespace {

/// Every value of the list is in [1, high], none is there twice.
void check_list(std::vector<Index> values, Index high) {
  require(!values.empty(), "a list of integers has one");
  std::ranges::sort(values);
  require(values.front() >= 1 && values.back() <= high, "integers are in their range");
  require(std::ranges::adjacent_find(values) == values.end(), "no integer is there twice");
}

/// Small enough for every combination to be made a million times a minute.
bool is_small(const Grid& grid) {
  constexpr double kMostCombinations = 4;
  return double(grid.batches.size()) * double(grid.lengths.size()) * double(grid.widths.size()) *
             double(grid.heads.size()) * double(grid.threads.size()) <=
         kMostCombinations;
}

void use(const CommandLine& line) {
  const Grid grid = parse_grid(line);
  for (const auto* values : {&grid.batches, &grid.lengths, &grid.widths, &grid.heads}) {
    check_list(*values, kLargestInteger);
  }
  check_list(grid.threads, kMostThreads);
  require(!grid.models.empty() && !grid.passes.empty(), "there is a model and a pass");
  const Index repetitions = line.integer("repetitions", 1, 100000);
  require(repetitions >= 1 && repetitions <= 100000, "repetitions are in their range");
  const double seconds = line.number("min-time", 1e-6, 3600);
  require(seconds >= 1e-6 && seconds <= 3600, "seconds are in their range");
  if (line.given("precision")) {
    const double share = parse_share("precision", line.text("precision"), 0.0001, 1);
    require(share > 0 && share <= 1, "a share is in its range");
  }
  if (line.given("memory-limit")) {
    const double bytes = parse_bytes("memory-limit", line.text("memory-limit"));
    require(bytes >= 1 && bytes <= 1e18, "bytes are in their range");
  }
  require(!line.effective().empty(), "the values are recorded");
  if (!is_small(grid)) return;
  for (const CaseGroup& group : expand(grid)) {
    for (const Case& one : group.cases) {
      require(!one.id().empty() && one.predicted_bytes() > 0 && one.cost().flops > 0,
              "each case has its cost");
    }
  }
}

/// Without --config: where that file is, is not the fuzzer's to choose.
std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> arguments;
  while (!text.empty()) arguments.emplace_back(take_until(text, '\n'));
  std::erase_if(arguments, [](const auto& argument) { return argument.starts_with("--config"); });
  return arguments;
}

/// With its options declared: that takes as long as parsing does, and is the same each time.
CommandLine declared() {
  CommandLine line("throughput", "[options]", "Summary.", "  seqbench throughput\n");
  add_sweep_options(line, "512");
  return line;
}

}  // namespace

void run(std::string_view text) {
  static const ScratchFolder folder;
  static const CommandLine fresh = declared();
  const bool has_config = text.find('\0') != std::string_view::npos;
  std::vector<std::string> arguments = arguments_of(take_until(text, '\0'));
  if (has_config) {
    folder.write("options.cfg", text);
    arguments.insert(arguments.begin(), "--config=" + folder.file("options.cfg").string());
  }
  CommandLine line = fresh;
  try {
    if (line.parse(arguments)) use(line);
  } catch (const UsageError&) {
  }
}

}  // namespace seqbench
