#include "harness/timing/throughput_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/bfloat16.h"
#include "harness/base/command_line.h"
#include "harness/base/statistics.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/roofline.h"
#include "harness/timing/time_estimate.h"

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
                                                     "reason",
                                                     "form",
                                                     "outliers",
                                                     "predicted_bytes",
                                                     "processes",
                                                     "variant",
                                                     "sweeps",
                                                     "fallback_share",
                                                     "block",
                                                     "layers",
                                                     "match",
                                                     "match_width",
                                                     "ranks",
                                                     "strategy",
                                                     "comm_seconds",
                                                     "bytes_sent"};

const std::vector<std::string> kSamplesColumns = {
    "run_id",      "case_id",        "repetition",    "seconds",
    "peak_gflops", "steal_fraction", "wait_fraction", "involuntary_switches",
    "throttled",   "process",        "retaken"};

namespace {

/// The numbers with spaces between them.
std::string joined(const std::vector<std::size_t>& numbers) {
  std::vector<std::string> texts;
  for (const std::size_t number : numbers) texts.push_back(std::to_string(number));
  return join(texts, " ");
}

CsvCell cell_of(const std::optional<Index>& count) { return count ? CsvCell(*count) : CsvCell(); }

/// The median of what each sample has; not a number where one has none.
double median_of(const std::vector<Sample>& samples, double Sample::*value) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*value);
  const bool is_known = std::ranges::none_of(values, [](double one) { return std::isnan(one); });
  return is_known ? median(values) : std::numeric_limits<double>::quiet_NaN();
}

/// Adds why nothing that was measured can be trusted.
void doubt(const std::string& reason, CsvRow& row) {
  const std::string other = row["reason"].text();
  row["status"] = "noisy";
  row["reason"] = other.empty() ? reason : reason + "; " + other;
}

}  // namespace

CsvRow scope_cells(const Case& one) {
  CsvRow row;
  row["block"] = kScopeNames[std::size_t(one.scope)];
  if (one.scope == Scope::kModel) row["layers"] = one.layers;
  row["match"] = one.matched_width > 0 ? "parameters" : "width";
  return row;
}

CsvRow static_cells(const Case& one) {
  const LayerCost cost = one.cost();
  CsvRow row = scope_cells(one);
  row["model"] = one.layer.model;
  row["kernel"] = one.layer.kernel;
  row["pass"] = pass_name(one.pass);
  row["batch"] = one.shape.batch;
  row["seq_len"] = one.shape.steps;
  row["width"] = one.layer.width;
  if (one.model().has_heads()) {
    row["heads"] = one.layer.heads;
    row["causal"] = one.layer.causal;
  }
  if (one.model().kind == ModelKind::kRecurrent) {
    row["variant"] = one.start.empty() ? one.model().variants.front() : one.start;
  }
  row["threads"] = one.threads;
  if (one.matched_width > 0) row["match_width"] = one.matched_width;
  row["dtype"] = dtype_name(one.layer.factors);
  row["parameters"] = cost.parameters;
  row["flops"] = cost.flops;
  row["state_bytes"] = cost.state_bytes;
  row["predicted_bytes"] = one.predicted_bytes();
  if (one.ranks > 0) {
    row["ranks"] = one.ranks;
    row["strategy"] = one.strategy;
    return row;  // each chooses for its own share
  }
  std::string form = kernel_form(one.layer, one.shape, one.pass, running_workers(one.threads));
  if (one.layer.factors == Factors::kBfloat16) {
    form += std::string(form.empty() ? "" : " ") + bfloat16_form();
  }
  if (!form.empty()) row["form"] = form;
  return row;
}

double median_peak_gflops(const std::vector<Sample>& samples) {
  std::vector<double> peaks;
  for (const Sample& sample : samples) peaks.push_back(sample.peak_gflops);
  return median(peaks);
}

CsvRow timed_cells(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms) {
  const TimeEstimate time = estimate_seconds(samples);
  const Verdict verdict = verdict_on(samples, threads, terms);
  return {{"seconds", time.seconds},    {"seconds_low", time.low},
          {"seconds_high", time.high},  {"peak_gflops", median_peak_gflops(samples)},
          {"status", verdict.status},   {"reason", verdict.reason},
          {"processes", time.processes}};
}

CsvRow measured_cells(const Case& one, const std::vector<Sample>& samples, double limit_seconds,
                      const NoiseTerms& terms) {
  const double flops = one.cost().flops;
  const double time = estimate_seconds(samples).seconds;
  const std::vector<double> fractions = fractions_of_peak(flops, samples);
  CsvRow row = timed_cells(samples, one.threads, terms);
  row["repetitions"] = static_cast<Index>(samples.size());
  row["tokens_per_second"] = one.tokens() / time;
  row["gflops"] = 1e-9 * flops / time;
  row["fraction_of_peak"] = median(fractions);
  row["limit_seconds"] = limit_seconds;
  row["fraction_of_limit"] = limit_seconds / time;
  row["outliers"] = joined(outliers(fractions));
  if (one.ranks > 0) {
    row["comm_seconds"] = median_of(samples, &Sample::comm_seconds);
    row["bytes_sent"] = median_of(samples, &Sample::bytes_sent);
  }
  return row;
}

CsvRow throughput_row(const Measurement& measurement, const RowContext& context) {
  const Case& one = measurement.the_case;
  CsvRow row = static_cells(one);
  row["run_id"] = context.run_id;
  row["case_id"] = one.id();
  if (measurement.sweeps.windows > 0) {
    row["sweeps"] = measurement.sweeps.mean_sweeps();
    row["fallback_share"] = measurement.sweeps.fallback_share();
  }
  if (!std::isnan(measurement.predicted_bytes)) {
    row["predicted_bytes"] = measurement.predicted_bytes;
  }
  if (measurement.samples.empty()) {
    row["repetitions"] = 0;
    row["processes"] = 0;
    row["status"] = measurement.status;
    row["reason"] = measurement.reason;
    return row;
  }
  // At the peak of this case's own moments.
  const double limit = one.ranks > 0 ? std::numeric_limits<double>::quiet_NaN()
                                     : limit_seconds_at(one, context.limits.at(one.threads),
                                                        median_peak_gflops(measurement.samples));
  row.merge(measured_cells(one, measurement.samples, limit, {.precision = context.precision}));
  if (!context.doubt.empty()) doubt(context.doubt, row);
  row["peak_bytes"] = measurement.peak_bytes;
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
          {"involuntary_switches", cell_of(taken.sample.disturbance.involuntary_switches)},
          {"throttled", cell_of(taken.sample.disturbance.throttled)},
          {"process", taken.sample.process},
          {"retaken", taken.sample.retaken}};
}

}  // namespace seqbench
