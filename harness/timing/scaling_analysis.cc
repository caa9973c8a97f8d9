#include "harness/timing/scaling_analysis.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "harness/base/statistics.h"
#include "harness/models/registry.h"

namespace seqbench {

const std::vector<std::string> kScalingColumns = {
    "run_id",        "model",   "kernel",   "pass",  "batch",  "width",    "heads",
    "causal",        "threads", "variable", "from",  "to",     "exponent", "exponent_low",
    "exponent_high", "r2",      "seq_len",  "block", "layers", "match",    "dtype"};

const std::vector<std::string> kSpeedupColumns = {
    "run_id",          "pass",         "kernel",     "baseline_model",
    "baseline_kernel", "batch",        "seq_len",    "width",
    "heads",           "causal",       "threads",    "speedup",
    "speedup_low",     "speedup_high", "work_ratio", "efficiency_ratio",
    "parallel_ratio",  "status",       "block",      "layers",
    "match",           "dtype"};

const std::vector<std::string> kCrossoverColumns = {"run_id",
                                                    "pass",
                                                    "kernel",
                                                    "baseline_model",
                                                    "baseline_kernel",
                                                    "batch",
                                                    "width",
                                                    "heads",
                                                    "causal",
                                                    "threads",
                                                    "crossover_seq_len",
                                                    "status",
                                                    "crossover_low",
                                                    "crossover_high",
                                                    "predicted",
                                                    "reason",
                                                    "block",
                                                    "layers",
                                                    "match",
                                                    "dtype"};

namespace {

using TextRow = std::map<std::string, std::string>;

double number(const std::string& text) {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_attention(const TextRow& row) {
  static const std::vector<std::string> names = model_names(ModelKind::kAttention);
  return std::ranges::find(names, row.at("model")) != names.end();
}

bool is_measured(const TextRow& row) { return !row.at("seconds").empty(); }

/// The values of some columns, as a key that rows can be grouped by.
std::vector<std::string> key_of(const TextRow& row, const std::vector<std::string>& columns) {
  std::vector<std::string> key;
  for (const std::string& column : columns) key.push_back(row.at(column));
  return key;
}

/// What of a model the row is of, and in which precision.
const std::vector<std::string> kScopeColumns = {"block", "layers", "match", "dtype"};

std::vector<std::string> with_scope(std::vector<std::string> columns) {
  columns.insert(columns.end(), kScopeColumns.begin(), kScopeColumns.end());
  return columns;
}

/// The width that rows of equal parameters are asked for by, attention's; else the row's own.
std::string asked_width(const TextRow& row) {
  const std::string& matched = row.at("match_width");
  return matched.empty() ? row.at("width") : matched;
}

void copy_columns(const TextRow& from, const std::vector<std::string>& columns, CsvRow& to) {
  for (const std::string& column : columns) to[column] = from.at(column);
}

CsvRow fitted_row(const TextRow& sample, const std::string& variable, std::span<const double> x,
                  std::span<const double> y) {
  const PowerFit fit = fit_power(x, y);
  CsvRow row;
  copy_columns(sample,
               with_scope({"run_id", "model", "kernel", "pass", "batch", "seq_len", "width",
                           "heads", "causal", "threads"}),
               row);
  row[variable] = CsvCell();  // from and to tell it
  row["variable"] = variable;
  row["from"] = x.front();
  row["to"] = x.back();
  row["exponent"] = fit.exponent;
  row["exponent_low"] = fit.exponent_low;
  row["exponent_high"] = fit.exponent_high;
  row["r2"] = fit.r2;
  return row;
}

/// A case's time. `below` and `above` are how far its interval reaches, as logarithms of ratios to
/// the median.
struct Timing {
  double seconds = 0, flops = 0, tokens_per_second = 0;
  double below = 0, above = 0;
  bool noisy = false;
};

Timing timing_of(const TextRow& row) {
  Timing timing;
  timing.seconds = number(row.at("seconds"));
  timing.flops = number(row.at("flops"));
  timing.tokens_per_second = number(row.at("tokens_per_second"));
  timing.below = std::log(timing.seconds / number(row.at("seconds_low")));
  timing.above = std::log(number(row.at("seconds_high")) / timing.seconds);
  timing.noisy = row.at("status") == "noisy";
  return timing;
}

/// What the two of a speedup share.
std::vector<std::string> shape_of(const TextRow& row) {
  std::vector<std::string> key = key_of(row, with_scope({"pass", "batch", "seq_len", "threads"}));
  key.push_back(asked_width(row));
  return key;
}

/// The same layer and shape on one thread.
const TextRow* on_one_thread(const CsvTable& table, const TextRow& row) {
  static const std::vector<std::string> kSame =
      with_scope({"model", "kernel", "pass", "batch", "seq_len", "width", "heads", "causal"});
  for (const TextRow& other : table) {
    if (other.at("threads") == "1" && is_measured(other) &&
        key_of(other, kSame) == key_of(row, kSame)) {
      return &other;
    }
  }
  return nullptr;
}

CsvRow speedup_row(const CsvTable& table, const TextRow& attention, const TextRow& baseline) {
  CsvRow row;
  copy_columns(attention,
               with_scope({"run_id", "pass", "kernel", "batch", "seq_len", "width", "heads",
                           "causal", "threads"}),
               row);
  row["baseline_model"] = baseline.at("model");
  row["baseline_kernel"] = baseline.at("kernel");
  if (!is_measured(attention) || !is_measured(baseline)) {
    const TextRow& missing = is_measured(attention) ? baseline : attention;
    row["status"] = missing.at("status");
    return row;
  }
  const Timing a = timing_of(attention), b = timing_of(baseline);
  const double speedup = a.tokens_per_second / b.tokens_per_second;
  row["speedup"] = speedup;
  // Independent errors of the two medians, combined on logarithms: a slower attention or a faster
  // baseline lowers the ratio.
  row["speedup_low"] = speedup * std::exp(-std::hypot(a.above, b.below));
  row["speedup_high"] = speedup * std::exp(std::hypot(a.below, b.above));
  row["work_ratio"] = b.flops / a.flops;
  const TextRow* a_one = on_one_thread(table, attention);
  const TextRow* b_one = on_one_thread(table, baseline);
  if (a_one != nullptr && b_one != nullptr) {
    const double a_one_seconds = number(a_one->at("seconds"));
    const double b_one_seconds = number(b_one->at("seconds"));
    row["efficiency_ratio"] = (a.flops / a_one_seconds) / (b.flops / b_one_seconds);
    row["parallel_ratio"] = (a_one_seconds / a.seconds) / (b_one_seconds / b.seconds);
  }
  row["status"] = a.noisy || b.noisy ? "noisy" : "ok";
  return row;
}

/// A point of a curve over lengths.
struct SpeedupAt {
  double seq_len, speedup, low, high, work_ratio;
};

/// The length at which one of a curve's ratios falls through 1, interpolated on logarithms: the
/// last one, since a recurrent model may also lead at short lengths, where waking the threads
/// dominates.
std::optional<double> last_fall(const std::vector<SpeedupAt>& curve, double SpeedupAt::*ratio) {
  std::optional<double> length;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const double before = curve[i - 1].*ratio, after = curve[i].*ratio;
    if (!(before >= 1) || !(after < 1)) continue;
    const double position = std::log(before) / std::log(before / after);
    length = curve[i - 1].seq_len * std::pow(curve[i].seq_len / curve[i - 1].seq_len, position);
  }
  return length;
}

/// The length at which both do the same FLOPs; not a number where there is none. Attention's FLOPs
/// per token grow linearly with the length, the baseline's do not grow.
double length_of_equal_work(const std::vector<SpeedupAt>& curve) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (curve.size() < 2) return kNone;
  const SpeedupAt &first = curve.front(), &last = curve.back();
  const double slope =
      (1 / last.work_ratio - 1 / first.work_ratio) / (last.seq_len - first.seq_len);
  const double length = first.seq_len + (1 - 1 / first.work_ratio) / slope;
  return length > 0 ? length : kNone;
}

}  // namespace

std::vector<CsvRow> fit_scaling(const CsvTable& throughput) {
  std::vector<CsvRow> rows;
  for (const std::string& variable :
       {std::string("seq_len"), std::string("width"), std::string("threads")}) {
    std::vector<std::string> held = with_scope(
        {"model", "kernel", "pass", "batch", "seq_len", "width", "heads", "causal", "threads"});
    std::erase(held, variable);
    std::map<std::vector<std::string>, std::vector<const TextRow*>> curves;
    for (const TextRow& row : throughput) {
      if (is_measured(row)) curves[key_of(row, held)].push_back(&row);
    }
    for (auto& [key, curve] : curves) {
      std::sort(curve.begin(), curve.end(), [&](const TextRow* one, const TextRow* other) {
        return number(one->at(variable)) < number(other->at(variable));
      });
      if (curve.size() < 2) continue;
      std::vector<double> x, y;
      for (const TextRow* row : curve) {
        x.push_back(number(row->at(variable)));
        y.push_back(number(row->at("seconds")));
      }
      rows.push_back(fitted_row(*curve.front(), variable, x, y));
      if (x.size() > kTailPoints) {
        rows.push_back(fitted_row(*curve.front(), variable, std::span(x).last(kTailPoints),
                                  std::span(y).last(kTailPoints)));
      }
    }
  }
  return rows;
}

std::vector<CsvRow> compute_speedups(const CsvTable& throughput) {
  std::vector<CsvRow> rows;
  for (const TextRow& attention : throughput) {
    if (!is_attention(attention)) continue;
    for (const TextRow& baseline : throughput) {
      if (is_attention(baseline) || shape_of(baseline) != shape_of(attention)) continue;
      rows.push_back(speedup_row(throughput, attention, baseline));
    }
  }
  return rows;
}

std::vector<CsvRow> find_crossovers(const std::vector<CsvRow>& speedups) {
  static const std::vector<std::string> kHeld =
      with_scope({"run_id", "pass", "kernel", "baseline_model", "baseline_kernel", "batch", "width",
                  "heads", "causal", "threads"});
  std::map<std::vector<std::string>, std::vector<SpeedupAt>> curves;
  for (const CsvRow& row : speedups) {
    if (!row.contains("speedup")) continue;
    std::vector<std::string> key;
    for (const std::string& column : kHeld) key.push_back(row.at(column).text());
    const auto value = [&row](const char* column) { return number(row.at(column).text()); };
    curves[key].push_back({.seq_len = value("seq_len"),
                           .speedup = value("speedup"),
                           .low = value("speedup_low"),
                           .high = value("speedup_high"),
                           .work_ratio = value("work_ratio")});
  }

  std::vector<CsvRow> rows;
  for (auto& [key, curve] : curves) {
    std::ranges::sort(curve, {}, &SpeedupAt::seq_len);
    CsvRow row;
    for (std::size_t i = 0; i < kHeld.size(); ++i) row[kHeld[i]] = key[i];
    row["status"] = curve.back().speedup >= 1 ? "always_ahead" : "never_ahead";
    if (const auto crossing = last_fall(curve, &SpeedupAt::speedup)) {
      row["crossover_seq_len"] = *crossing;
      row["crossover_low"] =
          std::min(*crossing, last_fall(curve, &SpeedupAt::low).value_or(curve.front().seq_len));
      row["crossover_high"] =
          std::max(*crossing, last_fall(curve, &SpeedupAt::high).value_or(curve.back().seq_len));
      row["status"] = "ok";
    }
    row["predicted"] = length_of_equal_work(curve);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace seqbench
