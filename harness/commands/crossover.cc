#include "harness/commands/crossover.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <utility>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/progress.h"
#include "harness/files/csv.h"
#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/machine/description.h"
#include "harness/server/worker_pool.h"
#include "harness/timing/case.h"
#include "harness/timing/crossover_search.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/preparation.h"
#include "harness/timing/scaling_analysis.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

constexpr const char* kCrossoverFile = "crossover.csv";
constexpr const char* kRatiosFile = "ratios.csv";
constexpr int kLengthsPerOctave = 8;  // neighbours 9 % apart
constexpr Index kMostPairs = 64;      // as many processes hold both cases

const std::vector<std::string> kRatioColumns = {
    "run_id",  "pass",    "kernel",      "baseline_model", "baseline_kernel",
    "batch",   "seq_len", "width",       "heads",          "causal",
    "threads", "speedup", "speedup_low", "speedup_high",   "pairs",
    "block",   "layers",  "match",       "dtype"};

Case at_length(Case one, Index steps) {
  one.shape.steps = steps;
  return one;
}

/// One crossing to be found: attention and a recurrent layer on the same shapes, at any length.
struct Cell {
  Case attention, baseline;
  std::vector<Index> lengths;

  /// FLOPs of attention ÷ those of the baseline.
  double work(Index length) const {
    return at_length(attention, length).cost().flops / at_length(baseline, length).cost().flops;
  }

  CsvRow row(const std::string& run_id) const {
    CsvRow row = scope_cells(attention);
    row.merge(CsvRow{{"run_id", run_id},
                     {"pass", pass_name(attention.pass)},
                     {"kernel", attention.layer.kernel},
                     {"baseline_model", baseline.layer.model},
                     {"baseline_kernel", baseline.layer.kernel},
                     {"batch", attention.shape.batch},
                     {"width", attention.layer.width},
                     {"heads", attention.layer.heads},
                     {"causal", attention.layer.causal},
                     {"threads", attention.threads},
                     {"dtype", dtype_name(attention.layer.factors)}});
    return row;
  }
  std::string label() const {
    return std::string(pass_name(attention.pass)) + " B=" + std::to_string(attention.shape.batch) +
           " D=" + std::to_string(attention.layer.width) + " t" +
           std::to_string(attention.threads) + " " + baseline.layer.model +
           attention.scope_label() + dtype_suffix(attention.layer.factors, ' ');
  }
};

/// The lengths that may be measured, by the ends of --length and the bound on batch × length.
std::vector<Index> lengths_of(const Grid& grid, Index batch) {
  const auto [first, last] = std::ranges::minmax(grid.lengths);
  const Index most = grid.max_tokens > 0 ? std::min(last, grid.max_tokens / batch) : last;
  return most < first ? std::vector<Index>() : geometric_lengths(first, most, kLengthsPerOctave);
}

/// Cells by precision, so that a map that is stopped is whole in one.
std::vector<Cell> cells_of(const Grid& grid) {
  std::vector<Cell> cells;
  Grid one_length = grid;
  one_length.lengths = {std::ranges::min(grid.lengths)};
  for (const CaseGroup& group : expand(one_length)) {
    const std::vector<Index> lengths = lengths_of(grid, group.cases.front().shape.batch);
    for (const Case& attention : group.cases) {
      if (!attention.model().has_heads()) continue;
      for (const Case& baseline : group.cases) {
        if (baseline.model().has_heads() || baseline.threads != attention.threads ||
            baseline.layer.factors != attention.layer.factors) {
          continue;
        }
        cells.push_back({.attention = attention, .baseline = baseline, .lengths = lengths});
      }
    }
  }
  std::ranges::stable_sort(cells, {},
                           [](const Cell& cell) { return cell.attention.layer.factors; });
  return cells;
}

/// The length at which the declared FLOPs are equal; not a number where attention has more at any.
double length_of_equal_flops(const Cell& cell) {
  const auto per_token = [](const Case& one, Index steps) {
    return at_length(one, steps).cost().flops / double(steps);
  };
  // Of attention linear in the length, of the baseline constant.
  constexpr Index kShort = 1, kLong = 1025;
  const double baseline = per_token(cell.baseline, kLong);
  const double at_short = per_token(cell.attention, kShort);
  const double slope = (per_token(cell.attention, kLong) - at_short) / double(kLong - kShort);
  const double length = double(kShort) + (baseline - at_short) / slope;
  return length >= 1 ? length : std::numeric_limits<double>::quiet_NaN();
}

/// A case that could not be measured.
struct Unmeasured {
  std::string status, reason;
};

/// Pairs of repetitions, one of each process; of a ratio far from 1 fewer.
class PairedRatios {
 public:
  PairedRatios(WorkerPool& pool, const MeasureOptions& options)
      : pool_(pool), options_(options), order_(options.seed) {}

  /// Checks both cases first, at the first of their lengths. Throws Unmeasured, Interrupted.
  SpeedRatio measure(const Case& attention, const Case& baseline) {
    check(attention);
    check(baseline);
    std::vector<double> logarithms;  // of tokens/s of attention ÷ those of the baseline
    SpeedRatio ratio;
    for (Index process = 0; process < options_.processes; ++process) {
      const bool attention_first = std::bernoulli_distribution(0.5)(order_);
      double seconds[2];
      for (const bool of_attention : {attention_first, !attention_first}) {
        seconds[of_attention] = take(of_attention ? attention : baseline, process);
      }
      logarithms.push_back(std::log(seconds[false] / seconds[true]));
      if (process + 1 < kFewestPairs) continue;
      ratio = speed_ratio_of(logarithms);
      if (is_far_from_equal(ratio)) break;
    }
    pool_.release_all();
    return ratio;
  }

 private:
  /// At the first length alone: a recurrent layer's reference in double takes far longer than what
  /// is timed.
  void check(const Case& one) {
    stop_if_interrupted();
    const std::string at_any_length = at_length(one, 1).id();
    if (checked_.contains(at_any_length)) return;
    const Preparation prepared =
        prepare(one, {.seed = options_.seed, .memory_limit_bytes = options_.memory_limit_bytes});
    if (prepared.workload == nullptr) throw Unmeasured{prepared.status, prepared.reason};
    checked_.insert(at_any_length);
  }

  double take(const Case& one, Index process) {
    stop_if_interrupted();
    Index& passes = passes_[one.id()];
    const RemoteRepetition taken =
        pool_.take({.the_case = one, .process = process, .passes = passes, .on_lap = on_lap_});
    if (!taken.status.empty()) throw Unmeasured{taken.status, one.id() + ": " + taken.reason};
    passes = taken.passes;
    return taken.sample.seconds;
  }

  WorkerPool& pool_;
  const MeasureOptions& options_;
  std::mt19937_64 order_;
  std::set<std::string> checked_;        // cases, of whatever length
  std::map<std::string, Index> passes_;  // of a repetition of each case; 0: not known yet
  const std::function<void(Activity)> on_lap_ = [](Activity) {};
};

/// What tells cells apart.
const std::vector<std::string> kCellColumns = {
    "pass",   "kernel",  "baseline_model", "baseline_kernel", "batch", "width", "heads",
    "causal", "threads", "block",          "layers",          "match", "dtype"};

std::vector<CsvRow> ratio_rows(const CsvRow& cell, const Crossover& found) {
  std::vector<CsvRow> rows;
  for (const auto& [length, ratio] : found.measured) {
    CsvRow row = cell;
    row["seq_len"] = length;
    row["speedup"] = ratio.value;
    row["speedup_low"] = ratio.low;
    row["speedup_high"] = ratio.high;
    row["pairs"] = ratio.pairs;
    rows.push_back(std::move(row));
  }
  return rows;
}

void print_row(const Cell& cell, const CsvRow& row) {
  const auto number = [&row](const char* column) {
    const auto found = row.find(column);
    const double value =
        found == row.end() ? 0 : std::strtod(found->second.text().c_str(), nullptr);
    char text[32] = "-";
    if (value > 0) std::snprintf(text, sizeof(text), "%.0f", value);
    return std::string(text);
  };
  const auto reason = row.find("reason");
  std::printf("%-34s %9s %9s %9s %9s  %s%s\n", cell.label().c_str(), number("predicted").c_str(),
              number("crossover_seq_len").c_str(), number("crossover_low").c_str(),
              number("crossover_high").c_str(), row.at("status").text().c_str(),
              reason == row.end() ? "" : (": " + reason->second.text()).c_str());
  std::fflush(stdout);
}

/// Finds one crossing and writes it. Returns its status.
std::string find(const Cell& cell, PairedRatios& ratios, ResumedCells& tables,
                 const RunDirectory& directory) {
  const CsvRow shape = cell.row(directory.run_id());
  CsvRow row = shape;
  row["predicted"] = length_of_equal_flops(cell);
  std::vector<CsvRow> measured;
  try {
    const Crossover found =
        find_crossover({.lengths = cell.lengths,
                        .work = [&](Index length) { return cell.work(length); },
                        .measure =
                            [&](Index length) {
                              return ratios.measure(at_length(cell.attention, length),
                                                    at_length(cell.baseline, length));
                            }});
    row["status"] = found.status;
    if (found.status == "ok") {
      row["crossover_seq_len"] = found.length;
      row["crossover_low"] = found.low;
      row["crossover_high"] = found.high;
    }
    measured = ratio_rows(shape, found);
  } catch (const Unmeasured& problem) {
    row["status"] = problem.status;
    row["reason"] = problem.reason;
  }
  tables.add(row, measured);
  print_row(cell, row);
  return row.at("status").text();
}

}  // namespace

int crossover_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "crossover", "[options]",
      "The length at which attention loses its lead over each recurrent model: found\n"
      "on pairs of repetitions, one pair of each process, with its interval, beside the length at\n"
      "which both do the same FLOPs. --length gives the shortest and the longest that may be\n"
      "measured, --max-tokens bounds batch x length. Attention and a recurrent baseline (lstm) "
      "are\n"
      "added when they are missing.",
      "  seqbench crossover --model lstm,gru --batch 1,16 --max-tokens 16384\n"
      "  seqbench crossover --config scripts/sweeps/crossover.cfg --out results/crossovers\n");
  add_grid_options(line, "64..16384");
  add_scope_options(line);
  add_timing_options(line);
  line.option("processes", "6",
              "pairs of repetitions at each length, each of its own process; 3 do where the ratio "
              "is far from 1");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  Grid grid = parse_grid(line);
  add_missing_models(grid);
  MeasureOptions options = parse_timing_options(line);
  options.processes = static_cast<int>(line.integer("processes", kFewestPairs, kMostPairs));
  options.repetitions = options.processes;
  const std::vector<Cell> cells = cells_of(grid);
  if (cells.empty()) {
    refuse_option("dtype", line.text("dtype"),
                  "one in which both attention and a recurrent model have a --kernel of those");
  }
  Grid of_workers = grid;  // with every length that may be asked for
  std::set<Index> lengths;
  for (const Cell& cell : cells) lengths.insert(cell.lengths.begin(), cell.lengths.end());
  of_workers.lengths.assign(lengths.begin(), lengths.end());

  RunDirectory directory(line, {kCrossoverFile, kRatiosFile});
  directory.refuse_other_options("crossover", line, {"crossover"});
  ResumedCells tables({directory.file(kCrossoverFile), kCrossoverColumns},
                      {directory.file(kRatiosFile), kRatioColumns}, kCellColumns);
  directory.record_measured(probe_machine());
  directory.record_command("crossover", line);

  WorkerPool pool(of_workers, options);
  PairedRatios ratios(pool, options);
  Progress progress(double(cells.size()), !line.flag_given("no-progress"));
  std::printf("%-34s %9s %9s %9s %9s  %s\n", "lead over", "predicted", "lost at", "low", "high",
              "status");
  bool any_failed = false;
  double done = 0;
  for (const Cell& cell : cells) {
    if (!tables.holds(cell.row(directory.run_id()))) {
      progress.update(done, cell.label());
      const std::string status = find(cell, ratios, tables, directory);
      progress.clear();
      any_failed = any_failed || status == "failed";
    }
    ++done;
  }
  const int code = any_failed ? 1 : 0;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
