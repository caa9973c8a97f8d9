// What is true of the machine and the build: the part of machine.json that describes them.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/machine/probe.h"

namespace seqbench {

/// Host, CPU, caches, memory, compiler, flags, libraries, git commit, OpenMP and floating-point
/// state. What cannot be known is "unknown". "pinning" is there only where threads cannot be pinned
/// to the usable CPUs, and says why.
nlohmann::ordered_json describe_machine();

/// The model of the CPUs, all of them where they differ: by its name, or where there is none by the
/// numbers of maker and part (ARM). "unknown" where the file does not tell.
std::string cpu_model(const std::filesystem::path& cpuinfo = "/proc/cpuinfo");

/// The probed limits of one number of threads.
nlohmann::ordered_json to_json(const MachineLimits& limits);

/// Measurements that belong to the machine and not to one number of threads: the timer, the FMA
/// peak of 1, 2, … threads up to all usable CPUs, and CPUs that turn out to share a core. Throws
/// Interrupted.
nlohmann::ordered_json probe_machine();

}  // namespace seqbench
