#include "harness/files/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/utf8.h"
#include "harness/files/run_identity.h"
#include "harness/machine/description.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMachineFile = "machine.json";

std::string formatted_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof(text), format, std::gmtime(&now));
  return text;
}

fs::path chosen_path(const CommandLine& line) {
  if (line.given("out")) return line.text("out");
  char host[64] = "host";
  ::gethostname(host, sizeof(host) - 1);
  return fs::path("results") / (formatted_time("%Y%m%d-%H%M%S-") + utf8_or_escaped(host));
}

/// The folder, locked until the descriptor is closed or the process ends, however it ends. Throws
/// FileError.
FileDescriptor lock_folder(const fs::path& path, const std::string& shown) {
  FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder >= 0 && ::flock(folder, LOCK_EX | LOCK_NB) == 0) return folder;
  if (errno == EWOULDBLOCK) {
    throw FileError("--out: '" + shown +
                    "' is being written by another process; wait for its end or choose another "
                    "folder");
  }
  throw FileError("--out: '" + shown + "' cannot be locked: " + std::strerror(errno));
}

/// What earlier commands left in machine.json; an empty object when there is none.
Json read_machine(const fs::path& path) {
  std::error_code ignored;  // what cannot be looked at cannot be read either, and says so then
  if (fs::symlink_status(path, ignored).type() == fs::file_type::not_found) return Json::object();
  return parse_run(read_file(path), path.string());
}

/// The last probe of each number of threads.
Json latest_probes(const Json& earlier, const Json& later) {
  std::map<Json, Json> by_threads;
  for (const Json* probes : {&earlier, &later}) {
    for (const Json& probe : *probes) by_threads[probe.value("threads", Json())] = probe;
  }
  Json latest = Json::array();
  for (const auto& [threads, probe] : by_threads) latest.push_back(probe);
  return latest;
}

/// One line on what decides about this run beside its command line.
void tell_environment(const Json& variables) {
  if (variables.empty()) return;
  std::vector<std::string> told;
  for (const auto& [name, value] : variables.items()) {
    told.push_back(name + "='" + value.get<std::string>() + "'");
  }
  std::cerr << "seqbench: the environment sets " << printable(join(told))
            << ", which libraries read; machine.json records it\n";
}

}  // namespace

void add_output_options(CommandLine& line) {
  line.option("out", "", "folder for the files of this run (default: results/<time>-<host>/)");
  line.flag("resume", "go on with what an interrupted run left in the folder");
}

RunDirectory::RunDirectory(const CommandLine& line, const std::vector<std::string>& files)
    : resuming_(line.flag_given("resume")) {
  const fs::path chosen = chosen_path(line);
  std::error_code error;
  path_ = fs::weakly_canonical(fs::absolute(chosen), error);
  if (!path_.has_filename()) path_ = path_.parent_path();
  if (!is_utf8(run_id())) {
    throw UsageError("--out: '" + chosen.string() + "' is the folder '" + run_id() +
                     "'; expected one whose name is UTF-8");
  }

  fs::create_directories(path_, error);
  if (error) {
    throw FileError("--out: '" + chosen.string() + "' cannot be created: " + error.message());
  }
  lock_ = lock_folder(path_, chosen.string());
  for (const std::string& name : files) {
    if (!resuming_ && fs::exists(path_ / name, error)) {
      throw UsageError("--out: '" + chosen.string() + "' already holds " + name +
                       "; expected another folder, or --resume");
    }
  }
  // Find out now, not after an hour of measuring.
  if (::access(path_.c_str(), W_OK | X_OK) != 0) {
    throw FileError("--out: '" + chosen.string() + "' cannot be written: " + std::strerror(errno));
  }

  machine_ = std::make_unique<Json>(read_machine(path_ / kMachineFile));
  described_ = std::make_unique<const Json>(describe_machine());
  if (!machine_->empty()) {
    const std::vector<Difference> found = run_differences(*machine_, *described_);
    if (!found.empty()) {
      throw UsageError(std::string(resuming_ ? "--resume" : "--out") + ": '" + chosen.string() +
                       "' holds what another build or machine wrote: " + listed(found) +
                       "; expected the same build and machine, or another folder");
    }
  }
  remove_drafts(path_);
}

void RunDirectory::refuse_other_options(const std::string& command, const CommandLine& line,
                                        const std::vector<std::string>& commands) const {
  if (!resuming_) return;
  const Json earlier = last_record(*machine_, commands);
  if (earlier.empty()) return;
  const std::vector<Difference> found = command_differences(earlier, command_record(command, line));
  if (!found.empty()) {
    throw UsageError("--resume: '" + path_.string() + "' was begun with other options: " +
                     listed(found) + "; expected the same, or another --out");
  }
}

RunDirectory::~RunDirectory() {
  if (!command_runs_) return;
  try {
    record_end(pending_signal() != 0 ? 128 + pending_signal() : 1);
  } catch (const std::exception&) {
    // The exception on its way says what went wrong first.
  }
}

void RunDirectory::record_measured(const Json& measured) { (*machine_)["measured"] = measured; }

void RunDirectory::record_command(const std::string& command, const CommandLine& line) {
  record_command(command, line, Json::array());
}

void RunDirectory::record_command(const std::string& command, const CommandLine& line,
                                  const Json& probes) {
  Json commands = list_in(*machine_, "commands");
  Json& record = commands.emplace_back(command_record(command, line));
  record["started"] = utc_now();
  if (!probes.empty()) record["probes"] = probes;

  const Json latest = latest_probes(list_in(*machine_, "probes"), probes);
  const auto measured = machine_->find("measured");
  Json machine = *described_;
  if (measured != machine_->end()) machine["measured"] = *measured;
  machine["run_id"] = run_id();
  machine["probes"] = latest;
  machine["commands"] = commands;
  *machine_ = std::move(machine);
  write_machine_json();
  command_runs_ = true;
  tell_environment(machine_->at("environment"));
}

void RunDirectory::record_wall_time(const Json& seconds) {
  (*machine_)["commands"].back()["wall_seconds"] = seconds;
}

void RunDirectory::record_end(int exit_code) {
  command_runs_ = false;
  Json& record = (*machine_)["commands"].back();
  record["ended"] = utc_now();
  record["exit_code"] = exit_code;
  write_machine_json();
}

void RunDirectory::write_machine_json() const {
  replace_file(path_ / kMachineFile, machine_->dump(2) + "\n");
}

std::string utc_now() { return formatted_time("%Y-%m-%dT%H:%M:%SZ"); }

}  // namespace seqbench
