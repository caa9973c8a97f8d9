#include "harness/machine/cgroup.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace seqbench {
namespace {

namespace fs = std::filesystem;

/// The first word of a file as a number; infinite when it is "max", negative (no limit in version
/// 1) or absent.
double limit_in(const fs::path& file) {
  double limit = 0;
  return std::ifstream(file) >> limit && limit >= 0 ? limit : HUGE_VAL;
}

/// Version 2: cpu.max is "QUOTA PERIOD" or "max PERIOD".
void tighten_by_version_2(const fs::path& group, CgroupQuota& limits) {
  limits.memory_bytes = std::min(limits.memory_bytes, limit_in(group / "memory.max"));
  double quota = 0, period = 0;
  if (std::ifstream(group / "cpu.max") >> quota >> period && period > 0) {
    limits.cpus = std::min(limits.cpus, quota / period);
  }
}

/// Version 1: a file each; -1 is no limit. `group` may be of any controller, which has only its own
/// files.
void tighten_by_version_1(const fs::path& group, CgroupQuota& limits) {
  limits.memory_bytes = std::min(limits.memory_bytes, limit_in(group / "memory.limit_in_bytes"));
  const double period = limit_in(group / "cpu.cfs_period_us");
  if (std::isfinite(period) && period > 0) {
    limits.cpus = std::min(limits.cpus, limit_in(group / "cpu.cfs_quota_us") / period);
  }
}

/// Calls visit for the group at `path` below `root`, its parent, …, and the root itself.
template <typename Visit>
void walk_up(const fs::path& root, const std::string& path, const Visit& visit) {
  // A path outside the namespace starts with "/.."; what lies above the root cannot be seen.
  fs::path group = fs::path(path).lexically_normal();
  for (; group.has_relative_path(); group = group.parent_path()) {
    visit(root / group.relative_path());
  }
  visit(root);
}

enum class Version { k1, k2 };

/// Calls visit(folder, version) for every group that `membership` names and all groups above it. In
/// version 1 a folder may be of any controller, or not be there.
template <typename Visit>
void for_each_group(const fs::path& membership, const fs::path& mount, const Visit& visit) {
  const auto by_version_1 = [&visit](const fs::path& group) { visit(group, Version::k1); };
  const auto by_version_2 = [&visit](const fs::path& group) { visit(group, Version::k2); };
  std::ifstream file(membership);
  // "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers.
  for (std::string id, controllers, path; std::getline(file, id, ':') &&
                                          std::getline(file, controllers, ':') &&
                                          std::getline(file, path);) {
    if (controllers.empty()) {
      walk_up(mount, path, by_version_2);
      walk_up(mount / "unified", path, by_version_2);  // where version 1 is mounted beside it
      continue;
    }
    // Version 1 mounts "cpu,cpuacct" under that name, or each controller under its own.
    walk_up(mount / controllers, path, by_version_1);
    std::istringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');) {
      if (name != controllers) walk_up(mount / name, path, by_version_1);
    }
  }
}

/// The number behind `key` in a file of "key number" lines; nothing when it is absent.
std::optional<Index> number_of_key(const fs::path& file, const std::string& key) {
  std::ifstream lines(file);
  Index number = 0;
  for (std::string name; lines >> name >> number;) {
    if (name == key) return number;
  }
  return std::nullopt;
}

constexpr const char* kThrottledPeriods = "nr_throttled";

}  // namespace

CgroupQuota cgroup_quota(const fs::path& membership, const fs::path& mount) {
  CgroupQuota limits;
  for_each_group(membership, mount, [&limits](const fs::path& group, Version version) {
    version == Version::k1 ? tighten_by_version_1(group, limits)
                           : tighten_by_version_2(group, limits);
  });
  return limits;
}

std::vector<fs::path> cgroup_cpu_stat_files(const fs::path& membership, const fs::path& mount) {
  std::vector<fs::path> files;
  for_each_group(membership, mount, [&files](const fs::path& group, Version) {
    const fs::path file = group / "cpu.stat";
    // "cpu" and "cpuacct" can be two names of one mount.
    const auto is_same = [&file](const fs::path& other) {
      std::error_code ignored;  // what cannot be compared is another file
      return fs::equivalent(file, other, ignored);
    };
    if (number_of_key(file, kThrottledPeriods) && std::ranges::none_of(files, is_same)) {
      files.push_back(file);
    }
  });
  return files;
}

Index throttled_periods() {
  static const std::vector<fs::path> files = cgroup_cpu_stat_files();
  return throttled_periods(files);
}

Index throttled_periods(const std::vector<fs::path>& cpu_stat_files) {
  Index sum = 0;
  for (const fs::path& file : cpu_stat_files) {
    sum += number_of_key(file, kThrottledPeriods).value_or(0);
  }
  return sum;
}

}  // namespace seqbench
