#include "harness/commands/list.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/base/interrupt.h"
#include "harness/base/units.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/roofline.h"
#include "harness/timing/sweep.h"

namespace seqbench {
namespace {

void print_inventory() {
  std::printf("Models and kernels, slowest first\n");
  for (const ModelInfo& model : all_models()) {
    std::printf("  %-10s", model.name.c_str());
    for (const std::string& kernel : model.kernels) std::printf(" %s", kernel.c_str());
    std::printf("\n");
  }
  std::printf(
      "\nPasses\n  forward train decode\n\nRecall tasks, set-ups, and what each is evidence for\n");
  for (const Task& task : all_tasks()) {
    std::printf("  %-18s %-8s %s\n", task.name.c_str(), task.setup.c_str(),
                kEvidenceNames[std::size_t(task.evidence_for)]);
  }
  std::printf("\n");
}

/// Time that a case will take: every repetition at least min_seconds and one pass, and one more for
/// the check. Passes are assumed to reach half of the machine's limit.
double expected_seconds(const Case& one, const MeasureOptions& options,
                        const MachineLimits& limits) {
  const double pass = 2 * limit_seconds(one, limits);
  return (options.repetitions + 1) * std::max(options.min_seconds, pass);
}

}  // namespace

int list_command(const std::vector<std::string>& arguments) {
  CommandLine line("list", "[options of a sweep]",
                   "Models, kernels, tasks, and each case of a sweep with its cost in time and\n"
                   "memory. Probes the machine's speed, runs no case.",
                   "  seqbench list\n"
                   "  seqbench list --config scripts/sweeps/full.cfg\n"
                   "  seqbench list --kernel naive --length 1024..131072\n");
  add_sweep_options(line, "512");
  if (!line.parse(arguments)) return 0;
  const std::vector<CaseGroup> groups = groups_of(parse_shard(line), expand(parse_grid(line)));
  const MeasureOptions options = parse_measure_options(line);

  print_inventory();
  std::printf("Cases of this sweep\n  %-52s %10s %11s %11s %11s\n", "case", "GFLOP", "memory",
              "expected", "");
  const std::map<int, MachineLimits> limits = probe_thread_counts(groups);
  double total = 0;
  for (const CaseGroup& group : groups) {
    for (const Case& one : group.cases) {
      stop_if_interrupted();
      const double bytes = one.predicted_bytes();
      const bool fits = bytes <= options.memory_limit_bytes;
      const double seconds = fits ? expected_seconds(one, options, limits.at(one.threads)) : 0;
      total += seconds;
      std::printf("  %-52s %10.4g %11s %11s %s\n", one.id().c_str(), 1e-9 * one.cost().flops,
                  human_bytes(bytes).c_str(), fits ? human_duration(seconds).c_str() : "-",
                  fits ? "" : "skipped: above the memory limit");
    }
  }
  const std::string limit = std::isfinite(options.memory_limit_bytes)
                                ? human_bytes(options.memory_limit_bytes)
                                : "unknown";
  std::printf("\nMemory limit %s; the whole sweep takes some %s.\n", limit.c_str(),
              human_duration(total).c_str());
  return 0;
}

}  // namespace seqbench
