// What the control groups of Linux leave to this process.
#pragma once

#include <cmath>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// Infinite where no limit is known.
struct CgroupQuota {
  double cpus = HUGE_VAL;  // CPUs' worth of time that is granted per period
  double memory_bytes = HUGE_VAL;
  /// Could the groups be seen, and what they say of CPUs and memory be read? Infinite then means
  /// that there is no limit.
  bool is_known = false;
};

/// The tightest limits of the groups that `membership` names, versions 1 and 2, and of all groups
/// above them up to the root at `mount`. A container that sees only its own subtree under the
/// host's names gets the limits of the groups that it sees.
CgroupQuota cgroup_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                         const std::filesystem::path& mount = "/sys/fs/cgroup");

/// The files cpu.stat of the same groups that count how often a group used up its CPU quota;
/// nothing where the groups cannot be seen.
std::optional<std::vector<std::filesystem::path>> cgroup_cpu_stat_files(
    const std::filesystem::path& membership = "/proc/self/cgroup",
    const std::filesystem::path& mount = "/sys/fs/cgroup");

/// The sum of these counts, nothing where one of them cannot be read; by default of this process's
/// groups, found once.
std::optional<Index> throttled_periods();
std::optional<Index> throttled_periods(const std::vector<std::filesystem::path>& cpu_stat_files);

}  // namespace seqbench
