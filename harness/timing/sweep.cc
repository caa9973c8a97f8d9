#include "harness/timing/sweep.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/base/errors.h"
#include "harness/base/progress.h"
#include "harness/base/statistics.h"
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
    std::printf("%-52s %11.4g %11.4g %9.1f %8.2f %8.2f  %s\n", id.c_str(), number("seconds"),
                number("tokens_per_second"), number("gflops"), number("fraction_of_peak"),
                number("fraction_of_limit"), verdict.c_str());
  }
  std::fflush(stdout);
}

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
  add_measure_options(line);
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

int run_sweep(const Sweep& sweep) {
  const std::vector<CaseGroup>& groups = sweep.groups;
  const MeasureOptions& options = sweep.options;
  RunDirectory& directory = sweep.directory;
  WallTime wall_time;
  directory.refuse_other_options(sweep.command, sweep.line, kSweepCommands);
  SweepTables tables(directory);
  const std::map<int, MachineLimits> limits = probe_thread_counts(groups);
  nlohmann::ordered_json probes = nlohmann::ordered_json::array();
  for (const auto& [threads, probed] : limits) probes.push_back(to_json(probed));
  directory.record_measured(probe_machine());
  wall_time.lap(Activity::kProbes);
  directory.record_command(sweep.command, sweep.line, probes);

  const RowContext context{
      .run_id = directory.run_id(), .precision = options.precision, .limits = limits};
  double total = 0, done = 0;
  for (const CaseGroup& group : groups) {
    if (!tables.holds_finished(group)) total += flops_of(group);
  }
  Progress progress(total, !sweep.line.flag_given("no-progress"));
  print_header();
  bool any_failed = false;
  for (const CaseGroup& group : groups) {
    if (tables.holds_finished(group)) continue;
    tables.begin(group);
    const MeasureHooks hooks{
        .on_step =
            [&](const std::string& what) { progress.update(done, group.label + ": " + what); },
        .on_sample =
            [&](const TakenSample& taken) {
              wall_time.lap(Activity::kElse);
              tables.add_sample(sample_row(taken, directory.run_id()));
              wall_time.lap(Activity::kWriting);
            },
        .on_lap = [&](Activity activity) { wall_time.lap(activity); },
        .others = sweep.others};
    const std::vector<Measurement> measurements = measure_group(group, options, hooks);
    progress.clear();
    std::vector<CsvRow> rows;
    for (const Measurement& measurement : measurements) {
      rows.push_back(throughput_row(measurement, context));
      any_failed = any_failed || measurement.status == "failed";
    }
    wall_time.lap(Activity::kElse);
    tables.finish(rows);
    wall_time.lap(Activity::kWriting);
    for (const CsvRow& row : rows) print_row(row);
    done += flops_of(group);
  }
  wall_time.lap(Activity::kElse);
  directory.record_wall_time(wall_time.as_json());
  std::printf("\n%s\n", wall_time.sentence().c_str());
  return any_failed ? 1 : 0;
}

}  // namespace seqbench
