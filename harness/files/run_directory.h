// The folder that one or several commands write their files into (`--out`).
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/base/durable_file.h"

namespace seqbench {

/// Declares --out and --resume.
void add_output_options(CommandLine& line);

class RunDirectory {
 public:
  /// Creates the folder that --out names, or results/<time>-<host>/, and is its only writer from
  /// then on. Throws UsageError when its name is no UTF-8, when it already holds one of `files` and
  /// --resume was not given, or when another build or machine has written there; FileError when
  /// another process writes there, when it cannot be written, or when the content of its
  /// machine.json is not that of such a file, which is left as it is.
  RunDirectory(const CommandLine& line, const std::vector<std::string>& files);
  RunDirectory(RunDirectory&&) = delete;
  /// A command that has not ended, because an exception left its scope, ends here: with 128 +
  /// signal where a signal is pending, else with 1.
  ~RunDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  /// The folder's own name, the run_id of every row in it.
  std::string run_id() const { return path_.filename().string(); }
  bool resuming() const { return resuming_; }

  /// When resuming: throws UsageError that lists what differs when the last of these commands in
  /// the folder is not `command`, or had options that lead to other rows.
  void refuse_other_options(const std::string& command, const CommandLine& line,
                            const std::vector<std::string>& commands) const;

  /// What probe_machine() found; the last one stays in machine.json. On disk with
  /// record_command().
  void record_measured(const nlohmann::ordered_json& measured);
  /// Adds the command with its effective options and its `probes` (a list) to
  /// machine.json, beside the machine and the latest probe of each number of threads. Throws
  /// FileError.
  void record_command(const std::string& command, const CommandLine& line,
                      const nlohmann::ordered_json& probes);
  void record_command(const std::string& command, const CommandLine& line);
  /// Adds to that command what its time went into: seconds by activity. On disk with record_end().
  void record_wall_time(const nlohmann::ordered_json& seconds);
  /// Notes when the command just recorded ended, and how. Throws FileError.
  void record_end(int exit_code);

 private:
  void write_machine_json() const;

  std::filesystem::path path_;
  FileDescriptor lock_{-1};
  bool resuming_ = false;
  bool command_runs_ = false;
  std::unique_ptr<const nlohmann::ordered_json> described_;  // this machine and build
  std::unique_ptr<nlohmann::ordered_json> machine_;          // what machine.json holds
};

/// Now, as "2026-11-23T17:30:05Z".
std::string utc_now();

}  // namespace seqbench
