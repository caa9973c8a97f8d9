#include "harness/cgroup.h"

#include <algorithm>
#include <fstream>
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
void tighten_by_version_2(const fs::path& group, CgroupLimits& limits) {
  limits.memory_bytes = std::min(limits.memory_bytes, limit_in(group / "memory.max"));
  double quota = 0, period = 0;
  if (std::ifstream(group / "cpu.max") >> quota >> period && period > 0) {
    limits.cpus = std::min(limits.cpus, quota / period);
  }
}

/// Version 1: a file each; -1 is no limit. `group` may be of any controller, which has only its own
/// files.
void tighten_by_version_1(const fs::path& group, CgroupLimits& limits) {
  limits.memory_bytes = std::min(limits.memory_bytes, limit_in(group / "memory.limit_in_bytes"));
  const double period = limit_in(group / "cpu.cfs_period_us");
  if (std::isfinite(period) && period > 0) {
    limits.cpus = std::min(limits.cpus, limit_in(group / "cpu.cfs_quota_us") / period);
  }
}

/// Calls tighten for the group at `path` below `root`, its parent, …, and the root itself.
template <typename Tighten>
void walk_up(const fs::path& root, const std::string& path, const Tighten& tighten) {
  // A path outside the namespace starts with "/.."; what lies above the root cannot be seen.
  fs::path group = fs::path(path).lexically_normal();
  for (; group.has_relative_path(); group = group.parent_path()) {
    tighten(root / group.relative_path());
  }
  tighten(root);
}

}  // namespace

CgroupLimits cgroup_limits(const fs::path& membership, const fs::path& mount) {
  CgroupLimits limits;
  const auto by_version_1 = [&](const fs::path& group) { tighten_by_version_1(group, limits); };
  const auto by_version_2 = [&](const fs::path& group) { tighten_by_version_2(group, limits); };
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
  return limits;
}

}  // namespace seqbench
