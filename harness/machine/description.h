// What is true of the machine and the build: the part of machine.json that describes them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "harness/machine/probe.h"

namespace seqbench {

/// Host, CPU, caches, memory, compiler, flags, libraries, git commit, OpenMP and floating-point
/// state. What cannot be known is "unknown".
nlohmann::ordered_json describe_machine();

/// The probed limits of one number of threads.
nlohmann::ordered_json to_json(const MachineLimits& limits);

/// Measurements that belong to the machine and not to one number of threads: the timer, the FMA
/// peak of 1, 2, … threads up to all usable CPUs, and CPUs that turn out to share a core. Throws
/// Interrupted.
nlohmann::ordered_json probe_machine();

}  // namespace seqbench
