// What the servers of `seqbench repeat` have in common (harness/repeat.h).
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/thread_team.h"
#include "harness/repetition.h"

namespace seqbench {

/// The server's answer to one line: handle(request, what it asks to do), or the error that it or
/// the line was.
nlohmann::ordered_json answer_line(
    const std::string& line,
    const std::function<nlohmann::ordered_json(const nlohmann::ordered_json& request,
                                               const std::string& what)>& handle);

/// Answers each line of standard input with one, until its end. Throws Interrupted.
void serve(const std::function<nlohmann::ordered_json(const std::string& line)>& answer);

/// The answer to a request to probe. Throws std::invalid_argument.
nlohmann::ordered_json probe_answer(const nlohmann::ordered_json& request);

/// The answer to a request to repeat: one untimed pass, then passes for the least seconds, between
/// two probes.
nlohmann::ordered_json repeat_passes(const ThreadTeam& team, double least_seconds,
                                     const std::function<void()>& pass);

/// Null for what is not finite.
nlohmann::ordered_json or_null(double value);

}  // namespace seqbench
