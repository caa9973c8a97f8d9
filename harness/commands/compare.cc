#include "harness/commands/compare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "harness/base/command_line.h"
#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/progress.h"
#include "harness/base/statistics.h"
#include "harness/base/utf8.h"
#include "harness/commands/comparison.h"
#include "harness/commands/repeat.h"
#include "harness/files/run_identity.h"
#include "harness/server/server_process.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/noise.h"
#include "harness/timing/repetition.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kDefaultRepetitions = "20";  // of each build

/// Takes the comparisons as they are made.
class CompareReport {
 public:
  explicit CompareReport(const CommandLine& line) {
    if (line.given("csv")) {
      refuse_existing(line.text("csv"));
      csv_.emplace(line.text("csv"), kCompareColumns);
    }
    print_comparison_header();
  }

  void add(const Comparison& comparison) {
    print_comparison(comparison);
    if (csv_) csv_->append({comparison_row(comparison)});
    comparisons_.push_back(comparison);
  }

  int finish() const {
    print_comparison_summary(comparisons_);
    return exit_code_of(comparisons_);
  }

 private:
  std::optional<CsvWriter> csv_;
  std::vector<Comparison> comparisons_;
};

// Two runs

/// What makes the times of a case comparable.
struct Work {
  std::string dtype;
  double flops = 0;
};

struct Run {
  Json machine;
  std::vector<std::string> case_ids;  // in the order of throughput.csv
  std::map<std::string, SideOfCase> cases;
  std::map<std::string, Work> work;  // of each case
};

/// The cells of one row by their columns' names, with an error that says where it stands.
struct RowReader {
  const CsvTable::value_type& row;
  const fs::path& path;

  const std::string& text(const std::string& column) const {
    const auto cell = row.find(column);
    if (cell == row.end()) throw FileError(path.string() + ": has no column " + column);
    return cell->second;
  }
  double positive_number(const std::string& column) const {
    const std::string& cell = text(column);
    const std::optional<double> value = number_within(cell, 0, HUGE_VAL);
    if (!value || !(*value > 0)) {
      throw FileError(path.string() + ": " + text("case_id") + ": " + column + " '" + cell +
                      "'; expected a number above 0");
    }
    return *value;
  }
};

/// The repetitions of one process differ less than those of several would, and count as one then.
std::vector<double> independent_values(
    const std::map<std::string, std::vector<double>>& processes) {
  if (processes.size() == 1) return processes.begin()->second;
  std::vector<double> medians;
  for (const auto& [process, values] : processes) medians.push_back(median(values));
  return medians;
}

Run read_run(const fs::path& folder) {
  Run run;
  const fs::path machine = folder / "machine.json", throughput = folder / kThroughputFile,
                 samples = folder / kSamplesFile;
  run.machine = parse_run(read_file(machine), machine.string());
  for (const auto& row : read_csv(throughput)) {
    const RowReader reader{row, throughput};
    const std::string& id = reader.text("case_id");
    if (run.cases.contains(id)) {
      throw FileError(throughput.string() + ": has " + id + " twice; expected one row of a case");
    }
    run.case_ids.push_back(id);
    run.cases[id].status = reader.text("status");
    run.work[id] = {.dtype = reader.text("dtype"), .flops = reader.positive_number("flops")};
  }
  std::map<std::string, std::map<std::string, std::vector<double>>> fractions;  // by case, process
  for (const auto& row : read_csv(samples)) {
    const RowReader reader{row, samples};
    const auto found = run.work.find(reader.text("case_id"));
    if (found == run.work.end()) continue;     // of a group that was cut off
    const auto process = row.find("process");  // runs of before have none
    fractions[found->first][process == row.end() ? "" : process->second].push_back(
        fraction_of_peak(found->second.flops, reader.positive_number("seconds"),
                         reader.positive_number("peak_gflops")));
  }
  for (const auto& [id, of_process] : fractions) {
    run.cases.at(id).fractions = independent_values(of_process);
  }
  return run;
}

/// Throws FileError for a case that is other work in one run than in the other.
void check_work(const std::string& id, const Run& before, const Run& after) {
  if (!before.work.contains(id) || !after.work.contains(id)) return;
  const Work &then = before.work.at(id), &now = after.work.at(id);
  const auto check = [&id](const char* column, const std::string& old_text,
                           const std::string& new_text) {
    if (old_text == new_text) return;
    throw FileError(id + ": " + column + " is '" + old_text + "' old, '" + new_text +
                    "' new; expected the same work in both runs");
  };
  check("dtype", then.dtype, now.dtype);
  check("flops", CsvCell(then.flops).text(), CsvCell(now.flops).text());
}

int compare_runs(const CommandLine& line, const CompareOptions& options) {
  line.refuse_passed_on();
  const Run before = read_run(line.text("old")), after = read_run(line.text("new"));
  const Sides sides{.first = "old", .second = "new"};
  const auto of_machine = machine_differences(before.machine, after.machine);
  if (!of_machine.empty() && !line.flag_given("any-machine")) {
    throw UsageError("'" + line.text("old") + "' and '" + line.text("new") +
                     "' are of different machines: " + listed(of_machine, sides) +
                     "; expected runs of one machine, or --any-machine");
  }
  for (const std::string& id : before.case_ids) check_work(id, before, after);
  std::vector<Difference> differing = run_differences(before.machine, after.machine);
  for (const Difference& one : command_differences(last_record(before.machine, kSweepCommands),
                                                   last_record(after.machine, kSweepCommands))) {
    differing.push_back(one);
  }
  for (const Difference& one : differing)
    std::printf("%s\n", printable(listed({one}, sides)).c_str());
  if (!differing.empty()) std::printf("\n");

  std::vector<std::string> ids = before.case_ids;
  for (const std::string& id : after.case_ids) {
    if (!before.cases.contains(id)) ids.push_back(id);
  }
  const auto side_of = [](const Run& run, const std::string& id) {
    const auto found = run.cases.find(id);
    return found == run.cases.end() ? SideOfCase{} : found->second;
  };
  CompareReport report(line);
  for (const std::string& id : ids) {
    report.add(compare_case(id, side_of(before, id), side_of(after, id), options));
  }
  return report.finish();
}

// Two builds

/// The options of `throughput` that its cases and repetitions depend on, for `repeat`.
std::vector<std::string> repeat_options(const CommandLine& sweep) {
  static const std::set<std::string> kOfTheSweepAlone = {"repetitions", "config", "no-progress"};
  std::vector<std::string> words;
  for (const auto& [name, value] : sweep.effective()) {
    if (!sweep.given(name) || kOfTheSweepAlone.contains(name)) continue;
    words.push_back(name == "causal" ? "--causal" : "--" + name + "=" + value);
  }
  return words;
}

/// One build and what it says of its cases. Where a process's memory comes to lie makes a case
/// faster or slower by some percent for as long as the process lives, so that two processes of one
/// build differ: each round of repetitions is of a process of its own.
class Build {
 public:
  Build(std::string program, std::vector<std::string> options)
      : program_(std::move(program)), options_(std::move(options)) {}

  /// Ends the process of the round before and starts another.
  void start() {
    process_.reset();
    process_.emplace(program_, options_);
  }
  std::vector<std::string> cases() { return process_->ask({{"do", "list"}}).at("cases"); }

  /// False when the case cannot be timed. What an earlier process has checked is not checked again.
  bool prepare(const std::string& id) {
    const bool again = sides_.contains(id);
    const Json reply = process_->ask({{"do", "prepare"}, {"case", id}, {"again", again}});
    flops_ = std::stod(reply.at("cells").at("flops").get<std::string>());
    sides_[id].status = reply.at("status");
    return sides_[id].status == "ready";
  }
  void repeat(const std::string& id) {
    const Json reply = process_->ask({{"do", "repeat"}, {"case", id}});
    ++counts_.all;
    // Builds of before say nothing of it.
    if (reply.value("unpinned_threads", 0) > 0) ++counts_.unpinned;
    sides_[id].fractions.push_back(
        fraction_of_peak(flops_, reply.at("seconds"), reply.at("peak_gflops")));
  }
  void release(const std::string& id) { process_->ask({{"do", "release"}, {"case", id}}); }

  RepetitionCounts counts() const { return counts_; }

  /// Of a case that was never prepared: nothing.
  SideOfCase side(const std::string& id) const {
    const auto found = sides_.find(id);
    return found == sides_.end() ? SideOfCase{} : found->second;
  }

 private:
  std::string program_;
  std::vector<std::string> options_;
  std::optional<ServerProcess> process_;
  std::map<std::string, SideOfCase> sides_;
  RepetitionCounts counts_;
  double flops_ = 0;  // of the case that was prepared last
};

// OpenMP's threads burn some 4 ms before they sleep (scripts/peer_runs/measuring.py).
constexpr std::chrono::milliseconds kPauseOfTeams{40};

struct Builds {
  Build before, after;
  std::mt19937_64 order;

  void start() {
    before.start();
    after.start();
  }

  /// One repetition of each, the first drawn at random: drift hits both alike.
  void measure(const std::string& id) {
    const bool ready_before = before.prepare(id), ready_after = after.prepare(id);
    if (ready_before && ready_after) {
      const bool is_team = !id.ends_with(":t1");
      const bool new_first = std::bernoulli_distribution(0.5)(order);
      for (Build* build : {new_first ? &after : &before, new_first ? &before : &after}) {
        if (is_team) std::this_thread::sleep_for(kPauseOfTeams);
        build->repeat(id);
      }
    }
    for (Build* build : {&before, &after}) build->release(id);
  }
};

int compare_binaries(const CommandLine& line, const CompareOptions& options) {
  CommandLine sweep("compare --binaries OLD NEW --", "[options of throughput]",
                    "The cases that both builds are compared on.",
                    "  seqbench compare --binaries old/seqbench new/seqbench -- --length 512\n");
  add_grid_options(sweep, "512");
  add_scope_options(sweep);
  add_timing_options(sweep);
  sweep.option("repetitions", kDefaultRepetitions, "repetitions of each build");
  sweep.option("config", "", "file of further options, one name=value a line");
  sweep.flag("no-progress", "no progress line on stderr");
  if (!sweep.parse(line.passed_on())) return 0;
  expand(parse_grid(sweep));  // wrong options are told once
  const int rounds = static_cast<int>(sweep.integer("repetitions", 1, 100000));
  const auto seed = static_cast<std::uint64_t>(parse_timing_options(sweep).seed);

  Builds builds{.before = Build(line.text("old"), repeat_options(sweep)),
                .after = Build(line.text("new"), repeat_options(sweep)),
                .order = std::mt19937_64(seed)};
  builds.start();
  std::vector<std::string> ids = builds.before.cases(), of_both;
  for (const std::string& id : builds.after.cases()) {
    (std::ranges::find(ids, id) == ids.end() ? ids : of_both).push_back(id);
  }
  CompareReport report(line);
  const auto report_all = [&] {
    for (const std::string& id : ids) {
      report.add(compare_case(id, builds.before.side(id), builds.after.side(id), options));
    }
    for (const Build* build : {&builds.before, &builds.after}) {
      if (build->counts().unpinned == 0) continue;
      std::printf("\n%s: %s.\n", build == &builds.before ? "old" : "new",
                  lack_of_pinning(build->counts()).c_str());
    }
  };
  Progress progress(double(of_both.size()) * rounds, !sweep.flag_given("no-progress"));
  double done = 0;
  try {
    for (int round = 0; round < rounds; ++round) {
      if (round > 0) builds.start();
      for (const std::string& id : of_both) {
        progress.update(done++, id);
        builds.measure(id);
      }
    }
  } catch (const Interrupted&) {  // what there is by then is told
    progress.clear();
    report_all();
    throw;
  }
  progress.clear();
  report_all();
  return report.finish();
}

}  // namespace

int compare_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "compare", "OLD NEW | --binaries OLD NEW [-- options of throughput]",
      "Did a case get slower? Compares two run folders, or two builds that are run interleaved,\n"
      "so that the machine's drift hits both alike: the way to judge a change. Each repetition is\n"
      "of a new process, since two processes of one build differ by some percent. A difference is "
      "told\n"
      "when the Mann-Whitney test on the repetitions' fractions of peak says so. Exit code 3: a "
      "case\n"
      "got slower, or fails now.",
      "  seqbench compare results/before results/after\n"
      "  seqbench compare --binaries /tmp/old/seqbench build/release/seqbench -- --length 512\n");
  line.positional("old", "run folder or program");
  line.positional("new", "run folder or program");
  line.flag("binaries", "OLD and NEW are programs");
  line.flag("any-machine", "compare runs of different machines");
  line.option("alpha", "0.05", "p-value below which a difference is told");
  line.option("threshold", "1%", "least difference that is told, as a share of the speed");
  line.option("csv", "", "new file for the table");
  if (!line.parse(arguments)) return 0;
  if (!line.given("old") || !line.given("new")) {
    throw UsageError("compare: '" + line.text("old") +
                     "' alone is not allowed; expected OLD and NEW (see seqbench compare --help)");
  }
  const CompareOptions options{
      .alpha = line.number("alpha", 1e-6, 0.5),
      .threshold = parse_share("threshold", line.text("threshold"), 0, 0.5)};
  return line.flag_given("binaries") ? compare_binaries(line, options)
                                     : compare_runs(line, options);
}

}  // namespace seqbench
