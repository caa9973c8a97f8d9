#include "harness/commands/throughput.h"

#include <algorithm>
#include <cstdio>

#include "harness/base/errors.h"
#include "harness/files/run_directory.h"
#include "harness/ranks/launcher.h"
#include "harness/ranks/mpi_ranks.h"
#include "harness/ranks/rank_sweep.h"
#include "harness/ranks/rank_texts.h"
#include "harness/server/worker_pool.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/sweep.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

CommandLine declared_line() {
  CommandLine line(
      "throughput", "[options] [-- Google Benchmark options]",
      "Time every combination of the listed values.",
      "  seqbench throughput --model lstm,attention --length 128..8192\n"
      "  seqbench throughput --kernel stepwise,hoisted,persistent,naive,fused --threads 1\n"
      "  seqbench throughput --pass decode --length 8192 --batch 1,16 --out results/decode\n"
      "  seqbench throughput --length 512 --precision 2% --precision-time 120\n"
      "  seqbench throughput --length 64..8192 --shard 1/4 --out results/race-1\n"
      "  mpirun -n 2 seqbench throughput --strategy sequence --length 8192 --out results/ranks\n");
  add_sweep_options(line, "512");
  add_strategy_option(line);
  return line;
}

int measure_alone(const CommandLine& line) {
  const Grid grid = parse_grid(line);
  const MeasureOptions options = parse_measure_options(line);
  const std::vector<CaseGroup> groups = groups_of(parse_shard(line), expand(grid));
  RunDirectory directory(line, {kThroughputFile, kSamplesFile});
  WorkerPool pool(grid, options);
  const int code = run_sweep({.command = "throughput",
                              .groups = groups,
                              .line = line,
                              .options = options,
                              .directory = directory,
                              .others = other_processes(pool, options)});
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

/// The command on one of the ranks that a launcher started.
int measure_as_rank(const std::vector<std::string>& arguments, Communicator& ranks) {
  const std::vector<RankCpus> places = take_cpu_shares(ranks);
  const auto fewest =
      std::ranges::min_element(places, {}, [](const RankCpus& place) { return place.cpus.size(); });
  CommandLine line = declared_line();
  bool goes_on = false;
  RankPlan plan;
  agree(
      ranks,
      [&]() -> std::string {
        goes_on = line.parse(arguments);
        if (!goes_on) return "help";
        if (line.given("strategy")) {
          plan = plan_of(line, ranks.size(), Index(fewest->cpus.size()));
        } else if (ranks.size() > 1) {
          throw UsageError("--strategy: it is missing; expected data or sequence for " +
                           std::to_string(ranks.size()) + " ranks");
        }
        return statement_of(line);
      },
      statement_differences);
  if (!goes_on) return 0;
  if (!line.given("strategy")) return measure_alone(line);
  return measure_over_ranks(line, plan, places, ranks);
}

}  // namespace

int throughput_command(const std::vector<std::string>& arguments) {
  const std::optional<int> rank = launched_rank();
  if (rank && has_mpi()) {
    return run_as_rank([&](Communicator& ranks) { return measure_as_rank(arguments, ranks); });
  }
  CommandLine line = declared_line();
  if (!line.parse(arguments)) return 0;
  // One of the processes of a launcher says for all that they are no ranks.
  if (line.given("strategy") && rank.value_or(0) > 0) return 0;
  refuse_strategy(line);
  return measure_alone(line);
}

}  // namespace seqbench
