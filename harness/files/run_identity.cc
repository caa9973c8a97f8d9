#include "harness/files/run_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::set<std::string>;

// Of machine.json: the folder's name and what commands added. The memory of a virtual machine
// changes with its balloon; main() sets the state of its own thread.
const Names kNotOfTheMachine = {"run_id",   "measured",     "probes",
                                "commands", "memory_bytes", "flush_subnormals"};
const Names kOfTheBuild = {"build", "libraries"};
// Options that lead to the same rows whatever their value; those of a file count one by one.
const Names kWithoutEffect = {"resume", "no-progress", "config"};

std::string shown(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Every value inside `value` by its dotted name.
void flatten(const std::string& name, const Json& value,
             std::vector<std::pair<std::string, std::string>>& values) {
  if (!value.is_structured() || value.empty()) {
    values.emplace_back(name, shown(value));
    return;
  }
  for (const auto& [key, inner] : value.items()) {
    flatten(name.empty() ? key : name + "." + key, inner, values);
  }
}

std::vector<std::pair<std::string, std::string>> values_without(const Json& object,
                                                                const Names& left_out) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& [key, value] : object.items()) {
    if (!left_out.contains(key)) flatten(key, value, values);
  }
  return values;
}

struct Pair {
  const Json& then;
  const Json& now;
  std::string absent;  // shown for a value that one side does not have
};

std::vector<Difference> differences(const Pair& pair, const Names& left_out) {
  const auto then = values_without(pair.then, left_out);
  const auto now = values_without(pair.now, left_out);
  const auto value_in = [&pair](const auto& values, const std::string& name) {
    const auto found = std::ranges::find(values, name, &std::pair<std::string, std::string>::first);
    return found == values.end() ? pair.absent : found->second;
  };
  std::vector<Difference> found;
  for (const auto& [name, value] : now) {
    if (value_in(then, name) != value) found.push_back({name, value_in(then, name), value});
  }
  for (const auto& [name, value] : then) {
    const bool is_new =
        std::ranges::find(now, name, &std::pair<std::string, std::string>::first) == now.end();
    if (is_new) found.push_back({name, value, pair.absent});
  }
  return found;
}

/// Deeper than any that this program writes. Functions that call themselves for what is inside a
/// value would exhaust the stack on a file that nests without end.
constexpr int kDeepest = 32;

/// True for a list of objects, and for a key that is missing or null.
bool lists_objects(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ||
         (found->is_array() && std::ranges::all_of(*found, &Json::is_object));
}

bool is_text_or_missing(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_string();
}

Json options_of(const Json& record) {
  const auto found = record.find("options");
  return found != record.end() && found->is_object() ? *found : Json::object();
}

}  // namespace

Json parse_run(std::string_view text, const std::string& name) {
  const auto check = [&name](bool is_a_run) {
    if (is_a_run) return;
    throw FileError(name +
                    ": is no JSON object with lists of commands and probes; repair it, move it "
                    "away or choose another folder");
  };
  const auto check_depth = [&check](int depth, Json::parse_event_t, const Json&) {
    check(depth <= kDeepest);
    return true;
  };
  const Json run = Json::parse(text, check_depth, /*allow_exceptions=*/false);
  check(run.is_object() && lists_objects(run, "commands") && lists_objects(run, "probes"));
  check(std::ranges::all_of(list_in(run, "commands"), [](const Json& record) {
    return is_text_or_missing(record, "command") && is_text_or_missing(record, "passed_on");
  }));
  return run;
}

Json list_in(const Json& run, const char* key) {
  const auto found = run.find(key);
  return found == run.end() || found->is_null() ? Json::array() : *found;
}

Json last_record(const Json& run, const std::vector<std::string>& commands) {
  const Json records = list_in(run, "commands");
  const auto is_listed = [&commands](const Json& record) {
    return std::ranges::find(commands, record.value("command", "")) != commands.end();
  };
  const auto last = std::find_if(records.rbegin(), records.rend(), is_listed);
  return last == records.rend() ? Json::object() : *last;
}

std::string listed(const std::vector<Difference>& differences, const Sides& sides) {
  std::vector<std::string> texts;
  for (const Difference& one : differences) {
    texts.push_back(one.name + ": '" + one.then + "' " + sides.first + ", '" + one.now + "' " +
                    sides.second);
  }
  return join(texts, "; ");
}

std::vector<Difference> run_differences(const Json& then, const Json& now) {
  return differences({.then = then, .now = now, .absent = "unknown"}, kNotOfTheMachine);
}

std::vector<Difference> machine_differences(const Json& then, const Json& now) {
  Names left_out = kNotOfTheMachine;
  left_out.insert(kOfTheBuild.begin(), kOfTheBuild.end());
  return differences({.then = then, .now = now, .absent = "unknown"}, left_out);
}

Json command_record(const std::string& command, const CommandLine& line) {
  Json options = Json::object();
  for (const auto& [name, value] : line.effective()) {
    if (name != "out") options[name] = value;  // the folder that the record is in
  }
  Json record = {{"command", command}, {"options", options}};
  if (!line.passed_on().empty()) record["passed_on"] = join(line.passed_on(), " ");
  return record;
}

std::vector<Difference> command_differences(const Json& then, const Json& now) {
  std::vector<Difference> found;
  const auto compare = [&](const std::string& name, const char* key) {
    const std::string before = then.value(key, ""), after = now.value(key, "");
    if (before != after) found.push_back({name, before, after});
  };
  compare("command", "command");
  const Json before = options_of(then), after = options_of(now);
  for (Difference& one :
       differences({.then = before, .now = after, .absent = ""}, kWithoutEffect)) {
    found.push_back({"--" + one.name, one.then, one.now});
  }
  compare("--", "passed_on");
  return found;
}

}  // namespace seqbench
