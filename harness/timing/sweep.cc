#include "harness/timing/sweep.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>

#include "harness/base/errors.h"
#include "harness/base/progress.h"
#include "harness/base/statistics.h"
#include "harness/machine/machine.h"
#include "harness/timing/limits.h"
#include "harness/timing/noise.h"

namespace seqbench {

namespace {

double flops_of(const CaseGroup& group) {
  double flops = 0;
  for (const Case& one : group.cases) flops += one.cost().flops;
  return flops;
}

/// The numbers with spaces between them.
std::string joined(const std::vector<std::size_t>& numbers) {
  std::vector<std::string> texts;
  for (const std::size_t number : numbers) texts.push_back(std::to_string(number));
  return join(texts, " ");
}

/// What the rows of a sweep share.
struct RowContext {
  std::string run_id;
  const MeasureOptions& options;
  const std::map<int, MachineLimits>& limits;
};

/// The row of one measured case.
CsvRow throughput_row(const Measurement& measurement, const RowContext& context) {
  const Case& one = measurement.the_case;
  CsvRow row = static_cells(one);
  row["run_id"] = context.run_id;
  row["case_id"] = one.id();
  row["repetitions"] = static_cast<Index>(measurement.samples.size());
  row["status"] = measurement.status;
  row["reason"] = measurement.reason;
  if (measurement.samples.empty()) return row;

  const double flops = one.cost().flops;
  std::vector<double> seconds, peaks;
  for (const Sample& sample : measurement.samples) {
    seconds.push_back(sample.seconds);
    peaks.push_back(sample.peak_gflops);
  }
  const std::vector<double> fractions = fractions_of_peak(measurement);
  const MedianInterval time = median_interval(seconds);
  const double peak = median(peaks);  // of this case's own moments
  const double limit = limit_seconds_at(one, context.limits.at(one.threads), peak);
  row["seconds"] = time.median;
  row["seconds_low"] = time.low;
  row["seconds_high"] = time.high;
  row["tokens_per_second"] = one.tokens() / time.median;
  row["gflops"] = 1e-9 * flops / time.median;
  row["peak_gflops"] = peak;
  row["fraction_of_peak"] = median(fractions);
  row["limit_seconds"] = limit;
  row["fraction_of_limit"] = limit / time.median;
  row["peak_bytes"] = measurement.peak_bytes;
  row["outliers"] = joined(outliers(fractions));

  std::vector<std::string> reasons;
  if (one.threads > running_workers(one.threads)) {
    reasons.push_back(std::to_string(one.threads) + " threads on " +
                      std::to_string(usable_cpus().size()) + " CPUs");
  }
  const std::string noise = noise_of(measurement, context.options.precision);
  row["status"] = noise.empty() ? "ok" : "noisy";
  if (!noise.empty()) reasons.push_back(noise);
  row["reason"] = join(reasons, "; ");
  return row;
}

CsvRow sample_row(const TakenSample& taken, const std::string& run_id) {
  return {{"run_id", run_id},
          {"case_id", taken.the_case.id()},
          {"repetition", taken.repetition},
          {"seconds", taken.sample.seconds},
          {"peak_gflops", taken.sample.peak_gflops},
          {"steal_fraction", taken.sample.disturbance.steal_fraction},
          {"wait_fraction", taken.sample.disturbance.wait_fraction},
          {"involuntary_switches", taken.sample.disturbance.involuntary_switches},
          {"throttled", taken.sample.disturbance.throttled}};
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

CsvRow static_cells(const Case& one) {
  const LayerCost cost = one.cost();
  CsvRow row;
  row["model"] = one.layer.model;
  row["kernel"] = one.layer.kernel;
  row["pass"] = pass_name(one.pass);
  row["batch"] = one.shape.batch;
  row["seq_len"] = one.shape.steps;
  row["width"] = one.layer.width;
  if (one.is_attention()) {
    row["heads"] = one.layer.heads;
    row["causal"] = one.layer.causal;
  }
  row["threads"] = one.threads;
  row["dtype"] = "float32";
  row["parameters"] = cost.parameters;
  row["flops"] = cost.flops;
  row["state_bytes"] = cost.state_bytes;
  row["predicted_bytes"] = one.predicted_bytes();
  const std::string form =
      kernel_form(one.layer, one.shape, one.pass, running_workers(one.threads));
  if (!form.empty()) row["form"] = form;
  return row;
}

double limit_seconds_at(const Case& one, MachineLimits probed, double peak_gflops) {
  probed.peak_gflops = peak_gflops;
  return limit_seconds(one, probed);
}

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

void add_timing_options(CommandLine& line) {
  line.option("min-time", "0.02", "least seconds of a repetition");
  line.option("seed", "1", "seed of parameters and inputs");
  line.option("memory-limit", "",
              "most memory a case may use, such as 4GiB (default: three quarters of what is free)");
}

MeasureOptions parse_timing_options(const CommandLine& line) {
  MeasureOptions options;
  options.min_seconds = line.number("min-time", 1e-6, 3600);
  options.seed = static_cast<std::uint64_t>(line.integer("seed", 0));
  options.memory_limit_bytes = usable_memory_bytes();
  if (line.given("memory-limit")) {
    options.memory_limit_bytes = std::min(options.memory_limit_bytes,
                                          parse_bytes("memory-limit", line.text("memory-limit")));
  }
  return options;
}

void add_sweep_options(CommandLine& line, const std::string& default_lengths) {
  add_grid_options(line, default_lengths);
  line.option("repetitions", "9", "repetitions of each case, interleaved within a group");
  line.option("precision", "",
              "add repetitions until a case's fraction of peak is known to this share to either "
              "side (95 % interval), such as 2%");
  line.option("precision-time", "60", "most seconds of a group's added repetitions");
  add_timing_options(line);
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

MeasureOptions parse_measure_options(const CommandLine& line) {
  MeasureOptions options = parse_timing_options(line);
  options.repetitions = static_cast<int>(line.integer("repetitions", 1, 100000));
  if (line.given("precision")) {
    options.precision = parse_share("precision", line.text("precision"), 0.0001, 1);
  }
  options.precision_seconds = line.number("precision-time", 0.001, 86400);
  pass_to_benchmark(line.passed_on());
  return options;
}

int run_sweep(const std::vector<CaseGroup>& groups, const CommandLine& line,
              const MeasureOptions& options, RunDirectory& directory, const std::string& command) {
  WallTime wall_time;
  directory.refuse_other_options(command, line, kSweepCommands);
  SweepTables tables(directory);
  const std::map<int, MachineLimits> limits = probe_thread_counts(groups);
  nlohmann::ordered_json probes = nlohmann::ordered_json::array();
  for (const auto& [threads, probed] : limits) probes.push_back(to_json(probed));
  directory.record_measured(probe_machine());
  wall_time.lap(Activity::kProbes);
  directory.record_command(command, line, probes);

  const RowContext context{.run_id = directory.run_id(), .options = options, .limits = limits};
  double total = 0, done = 0;
  for (const CaseGroup& group : groups) {
    if (!tables.holds_finished(group)) total += flops_of(group);
  }
  Progress progress(total, !line.flag_given("no-progress"));
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
        .on_lap = [&](Activity activity) { wall_time.lap(activity); }};
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

int throughput_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "throughput", "[options] [-- Google Benchmark options]",
      "Time every combination of the listed values.",
      "  seqbench throughput --model lstm,attention --length 128..8192\n"
      "  seqbench throughput --kernel stepwise,hoisted,persistent,naive,fused --threads 1\n"
      "  seqbench throughput --pass decode --length 8192 --batch 1,16 --out results/decode\n"
      "  seqbench throughput --length 512 --precision 2% --precision-time 120\n");
  add_sweep_options(line, "512");
  if (!line.parse(arguments)) return 0;
  const Grid grid = parse_grid(line);
  const MeasureOptions options = parse_measure_options(line);
  const std::vector<CaseGroup> groups = expand(grid);
  RunDirectory directory(line, {kThroughputFile, kSamplesFile});
  const int code = run_sweep(groups, line, options, directory, "throughput");
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
