#include "harness/timing/sweep.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "harness/base/errors.h"
#include "harness/base/progress.h"
#include "harness/base/statistics.h"
#include "harness/base/stopwatch.h"
#include "harness/machine/description.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/noise.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {

namespace {

double flops_of(const CaseGroup& group) {
  double flops = 0;
  for (const Case& one : group.cases) flops += one.cost().flops;
  return flops;
}

void print_header() {
  std::printf("%-52s %11s %11s %9s %8s %8s  %s\n", "case", "seconds", "tokens/s", "GFLOP/s",
              "of peak", "of limit", "status");
}

void print_row(const CsvRow& row) {
  const auto number = [&row](const char* column) {
    return std::strtod(row.at(column).text().c_str(), nullptr);
  };
  const std::string& id = row.at("case_id").text();
  const std::string& status = row.at("status").text();
  const std::string& reason = row.at("reason").text();
  const std::string verdict = reason.empty() ? status : status + ": " + reason;
  if (!row.contains("seconds")) {
    std::printf("%-52s %11s %11s %9s %8s %8s  %s\n", id.c_str(), "-", "-", "-", "-", "-",
                verdict.c_str());
  } else {
    char of_limit[16] = "-";
    if (!row.at("fraction_of_limit").text().empty()) {
      std::snprintf(of_limit, sizeof(of_limit), "%.2f", number("fraction_of_limit"));
    }
    std::printf("%-52s %11.4g %11.4g %9.1f %8.2f %8s  %s\n", id.c_str(), number("seconds"),
                number("tokens_per_second"), number("gflops"), number("fraction_of_peak"), of_limit,
                verdict.c_str());
  }
  std::fflush(stdout);
}

// Periods of a shared machine last seconds to minutes. As many groups are visited in turn as take
// so long for their checks and first visits; what was taken of them is lost when the program is
// stopped.
constexpr double kSecondsOfFirstVisits = 60;

/// The groups that are missing from a sweep's tables.
class SweepRun {
 public:
  SweepRun(const Sweep& sweep, const std::vector<const CaseGroup*>& missing, SweepTables& tables,
           const std::map<int, MachineLimits>& limits, WallTime& wall_time)
      : sweep_(sweep),
        missing_(missing),
        tables_(tables),
        wall_time_(wall_time),
        context_{.run_id = sweep.directory.run_id(),
                 .precision = sweep.options.precision,
                 .limits = limits,
                 .doubt = sweep.doubt},
        progress_(total_flops(missing), !sweep.line.flag_given("no-progress")) {}

  /// Whether a case failed. Throws Interrupted.
  bool measure_all() {
    for (auto next = missing_.begin(); next != missing_.end();) next = measure_block(next);
    return any_failed_;
  }

 private:
  using Iterator = std::vector<const CaseGroup*>::const_iterator;

  struct Begun {
    const CaseGroup& group;
    GroupMeasurement measurement;
    double done_flops = 0;
  };

  static double total_flops(const std::vector<const CaseGroup*>& groups) {
    double flops = 0;
    for (const CaseGroup* group : groups) flops += flops_of(*group);
    return flops;
  }

  /// Groups that are visited in turn, from that one on. Returns the first of the next block.
  Iterator measure_block(Iterator next) {
    std::vector<Begun> block;
    const Stopwatch stopwatch;
    do {
      const CaseGroup& group = **next++;
      tables_.begin(group);
      block.push_back({group, {group, sweep_.options, hooks_for(group)}});
      block.back().measurement.check();
      visit(block.back());
    } while (next != missing_.end() && block.back().measurement.visits() > 1 &&
             stopwatch.seconds() < kSecondsOfFirstVisits);
    bool any_visited = true;
    while (any_visited) {
      any_visited = false;
      for (Begun& begun : block) any_visited = visit(begun) || any_visited;
    }
    for (Begun& begun : block) finish(begun);
    return next;
  }

  /// Returns whether there was anything left to repeat.
  bool visit(Begun& begun) {
    if (begun.measurement.is_finished()) return false;
    begun.measurement.visit();
    const double share = 1 / double(begun.measurement.visits());
    advance(begun, begun.done_flops + share * flops_of(begun.group));
    return true;
  }

  void finish(Begun& begun) {
    progress_.clear();
    std::vector<CsvRow> rows;
    const std::vector<Measurement> measurements = begun.measurement.result();
    for (const Measurement& measurement : measurements) {
      rows.push_back(throughput_row(measurement, context_));
      any_failed_ = any_failed_ || measurement.status == "failed";
    }
    wall_time_.lap(Activity::kElse);
    sweep_.on_finished(measurements);
    tables_.finish(rows);
    wall_time_.lap(Activity::kWriting);
    for (const CsvRow& row : rows) print_row(row);
    advance(begun, flops_of(begun.group));
  }

  /// Visits beyond those asked for are not known of before, and not counted.
  void advance(Begun& begun, double done) {
    done_flops_ -= begun.done_flops;
    begun.done_flops = std::min(done, flops_of(begun.group));
    done_flops_ += begun.done_flops;
  }

  MeasureHooks hooks_for(const CaseGroup& group) {
    return {.on_step =
                [&](const std::string& what) {
                  progress_.update(done_flops_, group.label + ": " + what);
                },
            .on_sample =
                [this](const TakenSample& taken) {
                  wall_time_.lap(Activity::kElse);
                  tables_.add_sample(sample_row(taken, context_.run_id));
                  wall_time_.lap(Activity::kWriting);
                },
            .on_lap = [this](Activity activity) { wall_time_.lap(activity); },
            .others = sweep_.others};
  }

  const Sweep& sweep_;
  const std::vector<const CaseGroup*>& missing_;
  SweepTables& tables_;
  WallTime& wall_time_;
  RowContext context_;
  Progress progress_;
  double done_flops_ = 0;
  bool any_failed_ = false;
};

}  // namespace

std::map<int, MachineLimits> probe_thread_counts(const std::vector<CaseGroup>& groups) {
  std::map<int, MachineLimits> limits;
  for (const CaseGroup& group : groups) {
    for (const Case& one : group.cases) {
      if (!limits.contains(one.threads)) {
        limits[one.threads] = probe_limits(make_team(running_workers(one.threads)));
      }
    }
  }
  return limits;
}

void add_sweep_options(CommandLine& line, const std::string& default_lengths) {
  add_grid_options(line, default_lengths);
  add_scope_options(line);
  add_measure_options(line);
  line.option("shard", "",
              "I/N: share I of N of the groups of cases, from 1; scripts/plot merges the folders");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

Shard parse_shard(const CommandLine& line) {
  if (!line.given("shard")) return {};
  const std::string text = line.text("shard");
  const std::vector<std::string> parts = split(text, '/');
  if (parts.size() == 2) {
    const auto count = integer_within(parts[1], 1, kLargestInteger);
    const auto index = integer_within(parts[0], 1, count.value_or(0));
    if (index && count) return {.index = *index, .count = *count};
  }
  refuse_option("shard", text, "I/N with 1 ≤ I ≤ N, such as 2/4");
}

std::vector<CaseGroup> groups_of(const Shard& shard, const std::vector<CaseGroup>& groups) {
  // A case takes some time however little it computes: repetitions of 20 ms at 100 GFLOP/s.
  constexpr double kLeastFlops = 2e9;
  std::vector<double> costs;
  for (const CaseGroup& group : groups) {
    costs.push_back(flops_of(group) + kLeastFlops * double(group.cases.size()));
  }
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) { return costs[i]; });

  // No share beyond the groups has any.
  std::vector<double> dealt(std::min(std::size_t(shard.count), groups.size()));
  std::vector<std::size_t> own;
  for (const std::size_t i : order) {
    const auto least = std::ranges::min_element(dealt);
    *least += costs[i];
    if (least - dealt.begin() == shard.index - 1) own.push_back(i);
  }
  if (own.empty()) {
    refuse_option(
        "shard", std::to_string(shard.index) + "/" + std::to_string(shard.count),
        "a share of the sweep's groups, of which there are " + std::to_string(groups.size()));
  }
  std::ranges::sort(own);
  std::vector<CaseGroup> share;
  for (const std::size_t i : own) share.push_back(groups[i]);
  return share;
}

int run_sweep(const Sweep& sweep) {
  RunDirectory& directory = sweep.directory;
  WallTime wall_time;
  directory.refuse_other_options(sweep.command, sweep.line, kSweepCommands);
  SweepTables tables(directory);
  const std::map<int, MachineLimits> limits = probe_thread_counts(sweep.groups);
  nlohmann::ordered_json probes = nlohmann::ordered_json::array();
  for (const auto& [threads, probed] : limits) probes.push_back(to_json(probed));
  nlohmann::ordered_json measured = probe_machine();
  if (sweep.ranks != nullptr) measured["ranks"] = *sweep.ranks;
  directory.record_measured(measured);
  wall_time.lap(Activity::kProbes);
  directory.record_command(sweep.command, sweep.line, probes);

  std::vector<const CaseGroup*> missing;
  for (const CaseGroup& group : sweep.groups) {
    if (!tables.holds_finished(group)) missing.push_back(&group);
  }
  print_header();
  SweepRun run(sweep, missing, tables, limits, wall_time);
  const bool any_failed = run.measure_all();
  wall_time.lap(Activity::kElse);
  directory.record_wall_time(wall_time.as_json());
  std::printf("\n%s\n", wall_time.sentence().c_str());
  return any_failed ? 1 : 0;
}

}  // namespace seqbench
