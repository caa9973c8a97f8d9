// What the control groups of Linux leave to this process.
#pragma once

#include <cmath>
#include <filesystem>

namespace seqbench {

/// Infinite where there is no limit.
struct CgroupLimits {
  double cpus = HUGE_VAL;  // CPUs' worth of time that is granted per period
  double memory_bytes = HUGE_VAL;
};

/// The tightest limits of the groups that `membership` names, versions 1 and 2, and of all groups
/// above them up to the root at `mount`. A container that sees only its own subtree under the
/// host's names gets the limits of the groups that it sees.
CgroupLimits cgroup_limits(const std::filesystem::path& membership = "/proc/self/cgroup",
                           const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace seqbench
