#include "harness/commands/throughput.h"

#include <cstdio>

#include "harness/files/run_directory.h"
#include "harness/server/worker_pool.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/sweep.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {

int throughput_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "throughput", "[options] [-- Google Benchmark options]",
      "Time every combination of the listed values.",
      "  seqbench throughput --model lstm,attention --length 128..8192\n"
      "  seqbench throughput --kernel stepwise,hoisted,persistent,naive,fused --threads 1\n"
      "  seqbench throughput --pass decode --length 8192 --batch 1,16 --out results/decode\n"
      "  seqbench throughput --length 512 --precision 2% --precision-time 120\n"
      "  seqbench throughput --length 64..8192 --shard 1/4 --out results/race-1\n");
  add_sweep_options(line, "512");
  if (!line.parse(arguments)) return 0;
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

}  // namespace seqbench
