// Input: a letter for the kind of file, and its content, as a stopped run, or anybody, left it in
// the folder that is resumed:
//
//   m   machine.json, which is compared with the present run
//   S   throughput.csv up to a zero byte, and samples.csv behind it
//   s   the same without their header rows, which the target adds
//   R   recall.csv
//   r   the same without its header row
//
// Where the target adds the header, a byte 1 stands for the commas that a row still lacks, so that
// seeds stay whole rows when a column is added.
// Either the run goes on, or the one error is a FileError or UsageError that leaves the files
// alone.
#include <optional>
#include <set>

#include "fuzz/input.h"
#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/files/run_identity.h"
#include "harness/tasks/tasks.h"
#include "harness/timing/case.h"
#include "harness/timing/sweep.h"
#include "harness/timing/throughput_rows.h"
#include "harness/training/recall_tables.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

/// A folder that is resumed, and its command.
class Resumed {
 public:
  Resumed() : line_("throughput", "", "", "") {
    add_sweep_options(line_, "512");
    line_.parse({"--out", scratch_.path().string(), "--resume"});
    directory_.emplace(line_, std::vector<std::string>{});
  }

  const ScratchFolder& files() const { return scratch_; }
  const RunDirectory& directory() const { return *directory_; }
  const CommandLine& line() const { return line_; }

 private:
  ScratchFolder scratch_;
  CommandLine line_;
  std::optional<RunDirectory> directory_;
};

void check_machine(const Resumed& resumed, std::string_view text) {
  static const Json now = Json::parse(R"({"host":"vm","cpus_usable":[0,1],"build":{"id":"1"}})");
  const Json then = parse_run(text, "machine.json");
  require(listed(run_differences(then, then)).empty(), "a run does not differ from itself");
  require(
      listed(machine_differences(now, then)).size() <= listed(run_differences(now, then)).size(),
      "the machine is a part of the run");
  const Json record = last_record(then, kSweepCommands);
  require(command_differences(record, record).empty(), "a command does not differ from itself");
  listed(command_differences(record, command_record("throughput", resumed.line())));
}

CaseGroup group() {
  CaseGroup group;
  for (const char* model : {"gru", "lstm"}) {
    group.cases.push_back({.layer = {.model = model, .kernel = "hoisted", .width = 16},
                           .shape = {.batch = 1, .steps = 4}});
  }
  return group;
}

/// The columns of a table, and its header row.
struct Header {
  std::size_t columns;
  std::string line;
};
Header header_of(const std::vector<std::string>& columns) {
  return {columns.size(), join(columns, ",") + "\r\n"};
}

/// A table of these rows, whose bytes 1 are spelled out.
std::string with_header(const Header& header, std::string_view rows) {
  std::string text = header.line;
  std::size_t commas = 0;
  for (const char c : rows) {
    if (c == '\1') {
      if (commas + 1 < header.columns) text.append(header.columns - 1 - commas, ',');
      continue;
    }
    commas = c == '\n' ? 0 : commas + (c == ',' ? 1 : 0);
    text += c;
  }
  return text;
}

/// The cases that have a row. Every sample has one.
std::set<std::string> checked_cases(const std::filesystem::path& folder) {
  std::set<std::string> ids;
  for (const auto& row : read_csv(folder / kThroughputFile)) ids.insert(row.at("case_id"));
  for (const auto& row : read_csv(folder / kSamplesFile)) {
    require(ids.contains(row.at("case_id")), "a sample has a row");
  }
  return ids;
}

void check_sweep(const Resumed& resumed, std::string_view throughput, std::string_view samples) {
  static const CaseGroup cases = group();
  const std::filesystem::path& folder = resumed.files().path();
  resumed.files().write(kThroughputFile, throughput);
  resumed.files().write(kSamplesFile, samples);
  SweepTables tables(resumed.directory());
  std::set<std::string> found = checked_cases(folder);
  if (!tables.holds_finished(cases)) {
    tables.begin(cases);
    std::vector<CsvRow> rows;
    for (const Case& one : cases.cases) {
      tables.add_sample({{"case_id", one.id()}, {"seconds", 1}});
      rows.push_back({{"case_id", one.id()}, {"status", "ok"}});
    }
    tables.finish(rows);
    found = checked_cases(folder);
  }
  require(SweepTables(resumed.directory()).holds_finished(cases), "what is finished stays so");
  require(found.contains(cases.cases.front().id()), "a finished case has its row");
}

void check_recall(const Resumed& resumed, std::string_view text) {
  resumed.files().write(kRecallFile, text);
  TrainingSettings settings = default_training(all_tasks().front(), nullptr, "lstm");
  settings.variant = *find_variant("lstm", "default");
  settings.distance = 8;
  settings.training_steps = settings.form.width = 1;
  RecallTables tables(resumed.directory());
  if (tables.holds_finished(settings)) return;
  tables.write(settings, skipped_rows(settings, "of a reason", resumed.directory().run_id()));
  require(!RecallTables(resumed.directory()).holds_finished(settings), "skipped is not finished");
}

}  // namespace

void run(std::string_view text) {
  static const Resumed resumed;
  static const Header throughput_header = header_of(kThroughputColumns);
  static const Header samples_header = header_of(kSamplesColumns);
  static const Header recall_header = header_of(kRecallColumns);
  if (text.empty()) return;
  const char kind = text.front();
  text.remove_prefix(1);
  try {
    if (kind == 'm') check_machine(resumed, text);
    if (kind == 'S') {
      const std::string_view throughput = take_until(text, '\0');
      check_sweep(resumed, throughput, text);
    }
    if (kind == 's') {
      const std::string throughput = with_header(throughput_header, take_until(text, '\0'));
      check_sweep(resumed, throughput, with_header(samples_header, text));
    }
    if (kind == 'R') check_recall(resumed, text);
    if (kind == 'r') check_recall(resumed, with_header(recall_header, text));
  } catch (const FileError&) {
  } catch (const UsageError&) {
  }
}

}  // namespace seqbench
