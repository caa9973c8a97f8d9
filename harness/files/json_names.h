// Names in JSON: a library takes an object that has a name twice, and keeps one of the two values.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace seqbench {

/// Follows the events of nlohmann's parser.
class UniqueNames {
 public:
  /// For every event of a text: the name that it gives to an object for the second time, if it
  /// does.
  template <typename Json>
  std::optional<std::string> repeated(typename Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) names_.emplace_back();
    if (event == Json::parse_event_t::object_end) names_.pop_back();
    if (event != Json::parse_event_t::key) return std::nullopt;
    const auto name = parsed.template get<std::string>();
    if (names_.back().insert(name).second) return std::nullopt;
    return name;
  }

 private:
  std::vector<std::set<std::string>> names_;  // met so far, of each object that is open
};

}  // namespace seqbench
