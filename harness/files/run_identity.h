// What makes two runs the same experiment: machine, build, and the options that decide the rows.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/command_line.h"

namespace seqbench {

struct Difference {
  std::string name;  // "build.git_commit", "--length"
  std::string then, now;
};

/// What the two sides are called.
struct Sides {
  std::string first = "then", second = "now";
};

/// "--length: '8' then, '8,16' now; …"
std::string listed(const std::vector<Difference>& differences, const Sides& sides = {});

/// The content of a machine.json. Throws FileError, naming it `name`, for anything but a JSON
/// object with lists of commands and probes.
nlohmann::ordered_json parse_run(std::string_view text, const std::string& name);

/// The list under `key` of a run; empty when there is none.
nlohmann::ordered_json list_in(const nlohmann::ordered_json& run, const char* key);

/// The record of the last of these commands in a run; an empty object when there is none.
nlohmann::ordered_json last_record(const nlohmann::ordered_json& run,
                                   const std::vector<std::string>& commands);

/// What differs between two descriptions of a machine and a build (describe_machine(), whatever
/// else the file machine.json holds besides).
std::vector<Difference> run_differences(const nlohmann::ordered_json& then,
                                        const nlohmann::ordered_json& now);

/// The part of it that is the machine's own.
std::vector<Difference> machine_differences(const nlohmann::ordered_json& then,
                                            const nlohmann::ordered_json& now);

/// A command with its effective options, as machine.json lists it.
nlohmann::ordered_json command_record(const std::string& command, const CommandLine& line);

/// What differs between two such records and leads to other rows.
std::vector<Difference> command_differences(const nlohmann::ordered_json& then,
                                            const nlohmann::ordered_json& now);

}  // namespace seqbench
