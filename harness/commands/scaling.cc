#include "harness/commands/scaling.h"

#include <algorithm>
#include <cstdio>

#include "harness/server/worker_pool.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/scaling_analysis.h"
#include "harness/timing/sweep.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

/// Adds what fits and ratios need: one thread, attention, and a recurrent baseline.
void complete(Grid& grid) {
  if (std::find(grid.threads.begin(), grid.threads.end(), 1) == grid.threads.end()) {
    grid.threads.insert(grid.threads.begin(), 1);
  }
  add_missing_models(grid);
}

void write_table(const RunDirectory& directory, const std::string& name,
                 const std::vector<std::string>& columns, const std::vector<CsvRow>& rows) {
  CsvTable table;
  for (const CsvRow& row : rows) table.push_back(as_text(row, columns));
  rewrite_csv(directory.file(name), columns, table);
}

/// `column` of a row as text, "-" when it is empty.
std::string shown(const CsvRow& row, const std::string& column) {
  const auto cell = row.find(column);
  return cell == row.end() || cell->second.text().empty() ? "-" : cell->second.text();
}

std::string shown_number(const CsvRow& row, const std::string& column) {
  const std::string text = shown(row, column);
  if (text == "-") return text;
  char rounded[32];
  std::snprintf(rounded, sizeof(rounded), "%.3g", std::strtod(text.c_str(), nullptr));
  return rounded;
}

void print_scaling(const std::vector<CsvRow>& rows) {
  std::printf(
      "\nGrowth: seconds ~ variable^exponent\n%-10s %-9s %-8s %5s %5s %7s %-8s  %-8s %12s %9s\n",
      "model", "kernel", "pass", "batch", "width", "threads", "dtype", "variable", "range",
      "exponent");
  for (const CsvRow& row : rows) {
    std::printf(
        "%-10s %-9s %-8s %5s %5s %7s %-8s  %-8s %12s %9s\n", shown(row, "model").c_str(),
        shown(row, "kernel").c_str(), shown(row, "pass").c_str(), shown(row, "batch").c_str(),
        shown(row, "width").c_str(), shown(row, "threads").c_str(), shown(row, "dtype").c_str(),
        shown(row, "variable").c_str(), (shown(row, "from") + ".." + shown(row, "to")).c_str(),
        shown_number(row, "exponent").c_str());
  }
}

void print_speedups(const std::vector<CsvRow>& rows) {
  std::printf("\nSpeedup of attention, tokens/s, = work x efficiency x parallel\n");
  std::printf("%-8s %-7s %-16s %5s %6s %5s %7s %-8s  %7s %7s %7s %7s  %s\n", "pass", "kernel",
              "over", "batch", "length", "width", "threads", "dtype", "speedup", "work", "effic.",
              "parall.", "status");
  for (const CsvRow& row : rows) {
    const std::string baseline = shown(row, "baseline_model") + ":" + shown(row, "baseline_kernel");
    std::printf(
        "%-8s %-7s %-16s %5s %6s %5s %7s %-8s  %7s %7s %7s %7s  %s\n", shown(row, "pass").c_str(),
        shown(row, "kernel").c_str(), baseline.c_str(), shown(row, "batch").c_str(),
        shown(row, "seq_len").c_str(), shown(row, "width").c_str(), shown(row, "threads").c_str(),
        shown(row, "dtype").c_str(), shown_number(row, "speedup").c_str(),
        shown_number(row, "work_ratio").c_str(), shown_number(row, "efficiency_ratio").c_str(),
        shown_number(row, "parallel_ratio").c_str(), shown(row, "status").c_str());
  }
}

void print_crossovers(const std::vector<CsvRow>& rows) {
  std::printf("\nLength where attention's lead is lost\n%-8s %-16s %5s %5s %7s %-8s  %9s  %s\n",
              "pass", "against", "batch", "width", "threads", "dtype", "length", "status");
  for (const CsvRow& row : rows) {
    const std::string baseline = shown(row, "baseline_model") + ":" + shown(row, "baseline_kernel");
    std::printf("%-8s %-16s %5s %5s %7s %-8s  %9s  %s\n", shown(row, "pass").c_str(),
                baseline.c_str(), shown(row, "batch").c_str(), shown(row, "width").c_str(),
                shown(row, "threads").c_str(), shown(row, "dtype").c_str(),
                shown_number(row, "crossover_seq_len").c_str(), shown(row, "status").c_str());
  }
}

}  // namespace

int scaling_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "scaling", "[options] [-- Google Benchmark options]",
      "Sweep length, width and threads; fit growth exponents; split attention's speedup over each\n"
      "recurrent model into work, efficiency and parallelism; find where the lead is lost.\n"
      "One thread, attention and a recurrent baseline (lstm) are added when they are missing.",
      "  seqbench scaling --length 64..8192\n"
      "  seqbench scaling --width 64..1024 --length 1024 --batch 1,16 --threads 1,2\n"
      "  seqbench scaling --config scripts/sweeps/quick.cfg --out results/quick\n");
  add_sweep_options(line, "64..4096");
  if (!line.parse(arguments)) return 0;
  Grid grid = parse_grid(line);
  if (grid.starts != std::vector<std::string>{"default"}) {
    refuse_option("variant", line.text("variant"), "default, since models are compared here");
  }
  complete(grid);
  const MeasureOptions options = parse_measure_options(line);
  const Shard shard = parse_shard(line);
  const std::vector<CaseGroup> groups = groups_of(shard, expand(grid));
  RunDirectory directory(
      line, {kThroughputFile, kSamplesFile, "scaling.csv", "speedup.csv", "crossover.csv"});
  WorkerPool pool(grid, options);
  const int code = run_sweep({.command = "scaling",
                              .groups = groups,
                              .line = line,
                              .options = options,
                              .directory = directory,
                              .others = other_processes(pool, options)});

  const CsvTable throughput = read_csv(directory.file(kThroughputFile));
  const std::vector<CsvRow> speedups = compute_speedups(throughput);
  write_table(directory, "speedup.csv", kSpeedupColumns, speedups);
  if (shard.is_whole()) {
    const std::vector<CsvRow> fits = fit_scaling(throughput);
    const std::vector<CsvRow> crossovers = find_crossovers(speedups);
    write_table(directory, "scaling.csv", kScalingColumns, fits);
    write_table(directory, "crossover.csv", kCrossoverColumns, crossovers);
    print_scaling(fits);
    print_speedups(speedups);
    print_crossovers(crossovers);
  } else {
    print_speedups(speedups);
    std::printf(
        "\nA share of the sweep: crossovers and exponents need every length. scripts/plot "
        "merges the folders of all shares and finds the crossovers.\n");
  }
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
