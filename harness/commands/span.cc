#include "harness/commands/span.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/base/command_line.h"
#include "harness/base/progress.h"
#include "harness/files/csv.h"
#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/machine/description.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/meeting_costs.h"
#include "harness/timing/span_measurement.h"
#include "harness/timing/throughput_rows.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {
namespace {

constexpr const char* kSpanFile = "span.csv";
constexpr const char* kProjectionFile = "projection.csv";
constexpr double kCloseEnough = 0.10;  // predicted times that are told apart from others

/// What tells cases apart, in both files.
const std::vector<std::string> kCaseColumns = {"model", "kernel", "pass",   "batch",  "seq_len",
                                               "width", "heads",  "causal", "variant"};

const std::vector<std::string> kSpanColumns = {"run_id",
                                               "model",
                                               "kernel",
                                               "pass",
                                               "batch",
                                               "seq_len",
                                               "width",
                                               "heads",
                                               "work_seconds",
                                               "span_seconds",
                                               "parallelism",
                                               "tasks",
                                               "barriers",
                                               "steps",
                                               "regions",
                                               "handed_over_bytes",
                                               "burdened_span_seconds",
                                               "burdened_parallelism",
                                               "processors",
                                               "causal",
                                               "variant",
                                               "status",
                                               "reason"};

const std::vector<std::string> kProjectionColumns = {"run_id",
                                                     "model",
                                                     "kernel",
                                                     "pass",
                                                     "batch",
                                                     "seq_len",
                                                     "width",
                                                     "heads",
                                                     "processors",
                                                     "seconds_low",
                                                     "seconds_high",
                                                     "assumption",
                                                     "predicted_seconds",
                                                     "barrier_seconds",
                                                     "region_seconds",
                                                     "handover_seconds_per_byte",
                                                     "measured_seconds",
                                                     "measured_low",
                                                     "measured_high",
                                                     "measured_status",
                                                     "measured_reason",
                                                     "peak_gflops",
                                                     "measured_peak_gflops",
                                                     "causal",
                                                     "variant"};

/// The cells that both files have of a case.
CsvRow case_cells(const Case& one, const std::string& run_id) {
  const CsvRow known = static_cells(one);
  CsvRow row = {{"run_id", run_id}};
  for (const std::string& column : kCaseColumns) {
    if (known.contains(column)) row[column] = known.at(column);
  }
  return row;
}

CsvRow span_row(const CsvRow& cells, const SpanMeasurement& found) {
  CsvRow row = cells;
  row["status"] = found.status;
  row["reason"] = found.reason;
  if (found.points.empty()) return row;
  row["work_seconds"] = found.work_seconds;
  row["span_seconds"] = found.span_seconds;
  row["parallelism"] = found.work_seconds / found.span_seconds;
  row["tasks"] = found.tasks;
  row["barriers"] = found.barriers;
  row["steps"] = found.steps;
  row["regions"] = found.regions;
  row["handed_over_bytes"] = found.handed_over_bytes;
  row["burdened_span_seconds"] = found.burdened_span_seconds;
  row["burdened_parallelism"] = found.work_seconds / found.burdened_span_seconds;
  row["processors"] = found.points.back().processors;
  return row;
}

std::vector<CsvRow> projection_rows(const CsvRow& cells, const SpanMeasurement& found,
                                    const MeetingCosts& costs) {
  std::vector<CsvRow> rows;
  for (const SpanPoint& point : found.points) {
    const Burden burden = costs.at(point.processors);
    CsvRow row = cells;
    row["processors"] = point.processors;
    row["seconds_low"] = point.projected.low;
    row["seconds_high"] = point.projected.high;
    row["predicted_seconds"] = point.projected.predicted;
    row["assumption"] = costs.assumption(point.processors);
    row["barrier_seconds"] = burden.barrier_seconds;
    row["region_seconds"] = burden.region_seconds;
    row["handover_seconds_per_byte"] = burden.handover_seconds_per_byte;
    row["peak_gflops"] = point.peak_gflops;
    if (!point.measured.empty()) {
      const CsvRow timed = timed_cells(point.measured, point.processors, {});
      row["measured_seconds"] = timed.at("seconds");
      row["measured_low"] = timed.at("seconds_low");
      row["measured_high"] = timed.at("seconds_high");
      row["measured_status"] = timed.at("status");
      row["measured_reason"] = timed.at("reason");
      row["measured_peak_gflops"] = timed.at("peak_gflops");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void print_costs(const std::vector<Index>& processors, const MeetingCosts& costs) {
  std::printf("%10s %12s %12s %16s\n", "processors", "barrier, us", "region, us",
              "hand over, ns/KiB");
  for (const Index count : processors) {
    const int number = static_cast<int>(count);
    const Burden burden = costs.at(number);
    std::printf("%10d %12.3f %12.3f %16.1f  %s\n", number, 1e6 * burden.barrier_seconds,
                1e6 * burden.region_seconds, 1e9 * 1024 * burden.handover_seconds_per_byte,
                costs.is_measured(number) ? "measured" : "assumed, from the last one measured");
  }
  std::printf("\n%-44s %10s %10s %8s %8s %9s %9s %7s  %s\n", "case", "work, s", "span, s",
              "parall.", "burdened", "tasks", "barriers", "steps", "predicted/measured");
}

/// "0.97 on 2", of each number of threads but one.
std::string agreement_of(const SpanMeasurement& found) {
  std::vector<std::string> parts;
  for (const SpanPoint& point : found.points) {
    if (point.processors == 1 || point.measured.empty()) continue;
    char text[48];
    std::snprintf(text, sizeof(text), "%.2f on %d",
                  point.projected.predicted / estimate_seconds(point.measured).seconds,
                  point.processors);
    parts.emplace_back(text);
  }
  return parts.empty() ? "-" : join(parts);
}

void print_case(const Case& one, const SpanMeasurement& found) {
  std::string id = one.id();  // of one thread
  id.erase(id.find(":t1"), 3);
  if (found.points.empty()) {
    std::printf("%-44s %s: %s\n", id.c_str(), found.status.c_str(), found.reason.c_str());
  } else {
    std::printf("%-44s %10.4g %10.4g %8.1f %8.1f %9lld %9lld %7lld  %s\n", id.c_str(),
                found.work_seconds, found.span_seconds, found.work_seconds / found.span_seconds,
                found.work_seconds / found.burdened_span_seconds, (long long)found.tasks,
                (long long)found.barriers, (long long)found.steps, agreement_of(found).c_str());
  }
  std::fflush(stdout);
}

/// How many of the times that were measured on several threads are predicted: as they are, and as
/// they would be had one thread alone been as slow as one among several.
void print_agreement(const CsvTable& projections) {
  int close = 0, close_at_equal_speed = 0, noisy = 0, all = 0;
  for (const auto& row : projections) {
    if (row.at("processors") == "1" || row.at("measured_seconds").empty()) continue;
    const auto number = [&row](const char* column) {
      return std::strtod(row.at(column).c_str(), nullptr);
    };
    const double ratio = number("predicted_seconds") / number("measured_seconds");
    const double speed =  // of a thread among several over that of one alone
        number("measured_peak_gflops") / number("processors") / number("peak_gflops");
    close += std::abs(ratio - 1) <= kCloseEnough;
    close_at_equal_speed += std::abs(ratio / speed - 1) <= kCloseEnough;
    noisy += row.at("measured_status") != "ok";
    ++all;
  }
  if (all == 0) return;
  std::printf(
      "\nPredicted from tasks on one thread within %.0f %% of the time measured on several: %d of "
      "%d cases (%.0f %%; %d are noisy)\nWith the FMA peak of a thread among several, probed "
      "beside "
      "both, in place of that of one alone: %d (%.0f %%)\n",
      100 * kCloseEnough, close, all, 100.0 * close / all, noisy, close_at_equal_speed,
      100.0 * close_at_equal_speed / all);
}

/// The numbers of processors that are projected for or measured, rising, one among them.
std::vector<Index> all_processors(std::vector<Index> projected, const std::vector<Index>& threads) {
  std::set<Index> all(projected.begin(), projected.end());
  all.insert(threads.begin(), threads.end());
  all.insert(1);
  return {all.begin(), all.end()};
}

void check_threads(const CommandLine& line, const std::vector<Index>& threads) {
  const Index cpus = static_cast<Index>(usable_cpus().size());
  if (std::ranges::max(threads) <= cpus) return;
  refuse_option(
      "threads", line.text("threads"),
      "at most the " + std::to_string(cpus) + " CPUs, since the others would wait for one");
}

}  // namespace

int span_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "span", "[options]",
      "Work, span and parallelism of each kernel, and what follows for other numbers of "
      "processors.\n"
      "Passes are run on one thread, task by task, shared out as for each of --processors, and "
      "timed\n"
      "between any two waits; meetings at barriers and parallel regions are counted, and charged "
      "with\n"
      "what they cost. Where there are CPUs, the time so predicted stands beside the measured one.",
      "  seqbench span --length 512,8192 --batch 1,16\n"
      "  seqbench span --config scripts/sweeps/span-full.cfg --out results/span\n");
  add_grid_options(line, "512");
  line.option("processors", "1..64",
              "numbers of processors to project for, comma list or doubling range");
  line.option("repetitions", "6", "repetitions of each number of processors and threads");
  add_timing_options(line);
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  Grid grid = parse_grid(line);
  refuse_other_dtypes(line, grid);
  check_threads(line, grid.threads);
  const MeasureOptions timing = parse_timing_options(line);
  const SpanOptions options{
      .seed = timing.seed,
      .memory_limit_bytes = timing.memory_limit_bytes,
      .min_seconds = timing.min_seconds,
      .repetitions = static_cast<int>(line.integer("repetitions", 1, 100000)),
      .processors = all_processors(line.integers("processors", 1, kMostThreads), grid.threads),
      .threads = grid.threads};
  grid.threads = {1};
  const std::vector<Case> cases = expand_cases(grid);

  RunDirectory directory(line, {kSpanFile, kProjectionFile});
  directory.refuse_other_options("span", line, {"span"});
  ResumedCells tables({directory.file(kSpanFile), kSpanColumns},
                      {directory.file(kProjectionFile), kProjectionColumns}, kCaseColumns);
  directory.record_measured(probe_machine());
  directory.record_command("span", line);

  const MeetingCosts costs = measure_meeting_costs(options.processors);
  print_costs(options.processors, costs);
  Progress progress(double(cases.size()), !line.flag_given("no-progress"));
  bool any_failed = false;
  double done = 0;
  for (const Case& one : cases) {
    const CsvRow cells = case_cells(one, directory.run_id());
    if (!tables.holds(cells)) {
      const SpanMeasurement found = measure_span(one, options, costs, [&](const std::string& what) {
        progress.update(done, one.id() + ": " + what);
      });
      progress.clear();
      tables.add(span_row(cells, found), projection_rows(cells, found, costs));
      print_case(one, found);
      any_failed = any_failed || found.status == "failed";
    }
    ++done;
  }
  print_agreement(tables.details());
  const int code = any_failed ? 1 : 0;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
