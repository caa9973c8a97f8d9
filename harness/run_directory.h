// The folder that one or several commands write their files into (`--out`).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/command_line.h"

namespace seqbench {

/// Declares --out and --resume.
void add_output_options(CommandLine& line);

class RunDirectory {
 public:
  /// Creates the folder that --out names, or results/<time>-<host>/. Throws UsageError when it
  /// already holds one of `files` and --resume was not given, FileError when it cannot be written.
  RunDirectory(const CommandLine& line, const std::vector<std::string>& files);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  /// The folder's own name, the run_id of every row in it.
  std::string run_id() const { return path_.filename().string(); }
  bool resuming() const { return resuming_; }

  /// Adds the command with its effective options to machine.json, beside the machine and the probes
  /// (which are taken from `probes`, or kept when it is null).
  void record_command(const std::string& command, const CommandLine& line,
                      const nlohmann::ordered_json& probes = nullptr);
  /// Notes when the command just recorded ended, and how.
  void record_end(int exit_code);

 private:
  void write_machine_json() const;

  std::filesystem::path path_;
  bool resuming_ = false;
  nlohmann::ordered_json machine_;
};

/// Writes `text` beside `path`, waits until it is on the disk, and renames it over `path`. Throws
/// FileError.
void replace_file(const std::filesystem::path& path, const std::string& text);

/// Now, as "2026-11-23T17:30:05Z".
std::string utc_now();

}  // namespace seqbench
