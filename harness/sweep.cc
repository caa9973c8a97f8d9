#include "harness/sweep.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>

#include "harness/errors.h"
#include "harness/limits.h"
#include "harness/machine.h"
#include "harness/progress.h"
#include "harness/statistics.h"

namespace seqbench {

const std::vector<std::string> kThroughputColumns = {"run_id",
                                                     "case_id",
                                                     "model",
                                                     "kernel",
                                                     "pass",
                                                     "batch",
                                                     "seq_len",
                                                     "width",
                                                     "heads",
                                                     "threads",
                                                     "causal",
                                                     "dtype",
                                                     "parameters",
                                                     "flops",
                                                     "state_bytes",
                                                     "repetitions",
                                                     "seconds",
                                                     "seconds_low",
                                                     "seconds_high",
                                                     "tokens_per_second",
                                                     "gflops",
                                                     "peak_gflops",
                                                     "fraction_of_peak",
                                                     "limit_seconds",
                                                     "fraction_of_limit",
                                                     "peak_bytes",
                                                     "status",
                                                     "reason"};

const std::vector<std::string> kSamplesColumns = {"run_id",  "case_id",     "repetition",
                                                  "seconds", "peak_gflops", "steal_fraction"};

namespace {

// A case is noisy when its fraction of peak is known no better than this to either side.
constexpr double kNoisyHalfWidth = 0.10;

/// The row of one measured case.
CsvRow throughput_row(const Measurement& measurement, const std::string& run_id,
                      const std::map<int, MachineLimits>& limits) {
  const Case& one = measurement.the_case;
  const LayerCost cost = one.cost();
  CsvRow row;
  row["run_id"] = run_id;
  row["case_id"] = one.id();
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
  row["repetitions"] = static_cast<Index>(measurement.samples.size());
  row["status"] = measurement.status;
  row["reason"] = measurement.reason;
  if (measurement.samples.empty()) return row;

  std::vector<double> seconds, peaks, fractions;
  for (const Sample& sample : measurement.samples) {
    seconds.push_back(sample.seconds);
    peaks.push_back(sample.peak_gflops);
    fractions.push_back(1e-9 * cost.flops / sample.seconds / sample.peak_gflops);
  }
  const MedianInterval time = median_interval(seconds);
  const MedianInterval fraction = median_interval(fractions);
  // The bandwidths are those probed at the start; the peak is that of this case's own moments.
  MachineLimits now = limits.at(one.threads);
  now.peak_gflops = median(peaks);
  const double limit = limit_seconds(one, now);
  row["seconds"] = time.median;
  row["seconds_low"] = time.low;
  row["seconds_high"] = time.high;
  row["tokens_per_second"] = one.tokens() / time.median;
  row["gflops"] = 1e-9 * cost.flops / time.median;
  row["peak_gflops"] = now.peak_gflops;
  row["fraction_of_peak"] = fraction.median;
  row["limit_seconds"] = limit;
  row["fraction_of_limit"] = limit / time.median;
  row["peak_bytes"] = measurement.peak_bytes;

  std::string reason;
  if (one.threads > static_cast<int>(usable_cpus().size())) {
    reason = std::to_string(one.threads) + " threads on " + std::to_string(usable_cpus().size()) +
             " CPUs";
  }
  if (fraction.relative_half_width() > kNoisyHalfWidth) {
    char text[120];
    std::snprintf(text, sizeof(text),
                  "fraction of peak known to ±%.0f %% only; quieten the machine or raise "
                  "--repetitions",
                  100 * fraction.relative_half_width());
    reason += (reason.empty() ? "" : "; ") + std::string(text);
    row["status"] = "noisy";
  } else {
    row["status"] = "ok";
  }
  row["reason"] = reason;
  return row;
}

std::vector<CsvRow> sample_rows(const Measurement& measurement, const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (std::size_t i = 0; i < measurement.samples.size(); ++i) {
    const Sample& sample = measurement.samples[i];
    rows.push_back({{"run_id", run_id},
                    {"case_id", measurement.the_case.id()},
                    {"repetition", static_cast<Index>(i)},
                    {"seconds", sample.seconds},
                    {"peak_gflops", sample.peak_gflops},
                    {"steal_fraction", sample.steal_fraction}});
  }
  return rows;
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
  if (row.count("seconds") == 0) {
    std::printf("%-52s %11s %11s %9s %8s %8s  %s\n", id.c_str(), "-", "-", "-", "-", "-",
                verdict.c_str());
  } else {
    std::printf("%-52s %11.4g %11.4g %9.1f %8.2f %8.2f  %s\n", id.c_str(), number("seconds"),
                number("tokens_per_second"), number("gflops"), number("fraction_of_peak"),
                number("fraction_of_limit"), verdict.c_str());
  }
  std::fflush(stdout);
}

/// The groups whose every case a resumed directory holds are done; rows of any other group are
/// dropped from its files, so that they are taken anew. Returns the identifiers of what is kept.
std::set<std::string> keep_finished_groups(const std::vector<CaseGroup>& groups,
                                           const RunDirectory& directory) {
  std::set<std::string> finished;
  const auto file = directory.file("throughput.csv");
  if (!directory.resuming() || !std::filesystem::exists(file)) return finished;
  CsvWriter(file, kThroughputColumns);  // refuses a file of other columns
  CsvTable rows = read_csv(file);
  std::set<std::string> present;
  for (const auto& row : rows) present.insert(row.at("case_id"));

  std::set<std::string> unfinished;
  for (const CaseGroup& group : groups) {
    const bool complete = std::all_of(group.cases.begin(), group.cases.end(), [&](const Case& one) {
      return present.count(one.id()) != 0;
    });
    for (const Case& one : group.cases) (complete ? finished : unfinished).insert(one.id());
  }
  const auto drop_unfinished = [&](const char* name, const std::vector<std::string>& columns) {
    if (!std::filesystem::exists(directory.file(name))) return;
    CsvTable table = read_csv(directory.file(name));
    std::erase_if(table, [&](const auto& row) { return unfinished.count(row.at("case_id")) != 0; });
    rewrite_csv(directory.file(name), columns, table);
  };
  drop_unfinished("throughput.csv", kThroughputColumns);
  drop_unfinished("samples.csv", kSamplesColumns);
  return finished;
}

/// Probes of every number of threads in the sweep.
std::map<int, MachineLimits> probe_thread_counts(const std::vector<CaseGroup>& groups) {
  std::map<int, MachineLimits> limits;
  for (const CaseGroup& group : groups) {
    for (const Case& one : group.cases) {
      if (limits.count(one.threads) == 0) {
        limits[one.threads] = probe_limits(make_team(one.threads));
      }
    }
  }
  return limits;
}

}  // namespace

void add_sweep_options(CommandLine& line) {
  add_grid_options(line);
  line.option("repetitions", "9", "repetitions of each case, interleaved within a group");
  line.option("min-time", "0.02", "least seconds of a repetition");
  line.option("seed", "1", "seed of parameters and inputs");
  line.option("memory-limit", "",
              "most memory a case may use, such as 4GiB (default: three quarters of what is free)");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on the terminal");
}

MeasureOptions parse_measure_options(const CommandLine& line) {
  MeasureOptions options;
  options.repetitions = static_cast<int>(line.integer("repetitions", 1, 100000));
  options.min_seconds = line.number("min-time", 0, 3600);
  options.seed = static_cast<std::uint64_t>(line.integer("seed", 0));
  options.memory_limit_bytes = usable_memory_bytes();
  if (line.given("memory-limit")) {
    options.memory_limit_bytes = std::min(options.memory_limit_bytes,
                                          parse_bytes("memory-limit", line.text("memory-limit")));
  }
  check_benchmark_arguments(line.passed_on());
  options.benchmark_arguments = line.passed_on();
  return options;
}

int run_sweep(const std::vector<CaseGroup>& groups, const CommandLine& line,
              const MeasureOptions& options, RunDirectory& directory, const std::string& command) {
  const std::map<int, MachineLimits> limits = probe_thread_counts(groups);
  nlohmann::ordered_json probes = nlohmann::ordered_json::array();
  for (const auto& [threads, probed] : limits) probes.push_back(to_json(probed));
  directory.record_command(command, line, probes);

  const std::set<std::string> finished = keep_finished_groups(groups, directory);
  CsvWriter throughput(directory.file("throughput.csv"), kThroughputColumns);
  CsvWriter samples(directory.file("samples.csv"), kSamplesColumns);

  const auto is_finished = [&finished](const CaseGroup& group) {
    return finished.count(group.cases.front().id()) != 0;
  };
  double total = 0, done = 0;
  for (const CaseGroup& group : groups) {
    if (is_finished(group)) continue;
    for (const Case& one : group.cases) total += one.cost().flops;
  }
  Progress progress(total, !line.flag_given("no-progress"));
  print_header();
  bool any_failed = false;
  for (const CaseGroup& group : groups) {
    if (is_finished(group)) continue;
    const std::vector<Measurement> measurements = measure_group(
        group, options, [&](const std::string& what) { progress.update(done, what); });
    progress.clear();
    std::vector<CsvRow> rows, repetitions;
    for (const Measurement& measurement : measurements) {
      rows.push_back(throughput_row(measurement, directory.run_id(), limits));
      const std::vector<CsvRow> own = sample_rows(measurement, directory.run_id());
      repetitions.insert(repetitions.end(), own.begin(), own.end());
      any_failed = any_failed || measurement.status == "failed";
    }
    // Samples first: a group counts as finished by its rows in throughput.csv.
    samples.append(repetitions);
    throughput.append(rows);
    for (const CsvRow& row : rows) print_row(row);
    for (const Case& one : group.cases) done += one.cost().flops;
  }
  return any_failed ? 1 : 0;
}

int throughput_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "throughput", "[options] [-- Google Benchmark options]",
      "Time every combination of the listed values.",
      "  seqbench throughput --model lstm,attention --length 128..8192\n"
      "  seqbench throughput --kernel stepwise,hoisted,naive,fused --length 1024 --threads 1\n"
      "  seqbench throughput --pass decode --length 8192 --batch 1,16 --out results/decode\n");
  add_sweep_options(line);
  if (!line.parse(arguments)) return 0;
  const Grid grid = parse_grid(line);
  const MeasureOptions options = parse_measure_options(line);
  const std::vector<CaseGroup> groups = expand(grid);
  RunDirectory directory(line, {"throughput.csv", "samples.csv"});
  const int code = run_sweep(groups, line, options, directory, "throughput");
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
