#include "harness/machine/cgroup.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "harness/base/command_line.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

/// The words of a file; nothing when it is not there, as that of a controller which a group does
/// not have.
std::optional<std::vector<std::string>> words_of(const fs::path& file) {
  std::error_code ignored;  // what cannot be looked at is not there for this process
  if (!fs::exists(file, ignored)) return std::nullopt;
  std::ifstream stream(file);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// Not a number when it is none from -1, version 1's word for no limit.
double number_in(const std::string& word) {
  return number_within(word, -1, HUGE_VAL).value_or(std::numeric_limits<double>::quiet_NaN());
}

/// Tightens `limit`; false for what is no limit from 0.
bool tighten(double& limit, double found) {
  if (!(found >= 0)) return false;
  limit = std::min(limit, found);
  return true;
}

/// Version 2: cpu.max is "QUOTA PERIOD" or "max PERIOD", memory.max a number or "max". False when
/// one of them is something else.
bool tighten_by_version_2(const fs::path& group, CgroupQuota& limits) {
  const auto memory = words_of(group / "memory.max"), cpu = words_of(group / "cpu.max");
  const auto limit_in = [](const std::string& word) {
    return word == "max" ? HUGE_VAL : number_in(word);
  };
  const bool knows_memory =
      !memory || (memory->size() == 1 && tighten(limits.memory_bytes, limit_in(memory->front())));
  if (!cpu) return knows_memory;
  if (cpu->size() != 2) return false;
  const double quota = limit_in(cpu->front()), period = number_in(cpu->back());
  return quota > 0 && period > 0 && tighten(limits.cpus, quota / period) && knows_memory;
}

/// Version 1: a file each; -1 is no limit. `group` may be of any controller, which has only its own
/// files. False when one of them holds something else.
bool tighten_by_version_1(const fs::path& group, CgroupQuota& limits) {
  const auto number_of = [&group](const char* name) -> std::optional<double> {
    const auto words = words_of(group / name);
    if (!words) return std::nullopt;
    return words->size() == 1 ? number_in(words->front())
                              : std::numeric_limits<double>::quiet_NaN();
  };
  const auto memory = number_of("memory.limit_in_bytes"), quota = number_of("cpu.cfs_quota_us"),
             period = number_of("cpu.cfs_period_us");
  const bool knows_memory =
      !memory || tighten(limits.memory_bytes, *memory == -1 ? HUGE_VAL : *memory);
  if (!quota && !period) return knows_memory;
  if (!quota || !period || !(*period > 0) || *quota == 0) return false;
  return tighten(limits.cpus, *quota == -1 ? HUGE_VAL : *quota / *period) && knows_memory;
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

/// True for the folder of a group, all of which have this file; a container may have an empty
/// folder where the groups would be mounted.
bool is_there(const fs::path& group) {
  std::error_code ignored;  // what cannot be looked at is not there for this process
  return fs::exists(group / "cgroup.procs", ignored);
}

enum class Version { k1, k2 };

/// Calls visit(folder, version) for every group that `membership` names and all groups above it. In
/// version 1 a folder may be of any controller, or not be there. True when any of them is.
template <typename Visit>
bool for_each_group(const fs::path& membership, const fs::path& mount, const Visit& visit) {
  bool any_seen = false;
  const auto by_version = [&](Version version) {
    return [&, version](const fs::path& group) {
      any_seen = any_seen || is_there(group);
      visit(group, version);
    };
  };
  const auto by_version_1 = by_version(Version::k1), by_version_2 = by_version(Version::k2);
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
  return any_seen;
}

/// How often a group used up its quota, from its file cpu.stat of "key number" lines; nothing where
/// it has no quota.
std::optional<Index> throttled_periods_in(const fs::path& cpu_stat) {
  std::ifstream lines(cpu_stat);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    Index number = 0;
    if (fields >> name >> number && name == "nr_throttled" && number >= 0) return number;
  }
  return std::nullopt;
}

}  // namespace

CgroupQuota cgroup_quota(const fs::path& membership, const fs::path& mount) {
  CgroupQuota limits;
  bool all_read = true;
  const bool any_seen =
      for_each_group(membership, mount, [&](const fs::path& group, Version version) {
        const bool is_read = version == Version::k1 ? tighten_by_version_1(group, limits)
                                                    : tighten_by_version_2(group, limits);
        all_read = all_read && is_read;
      });
  limits.is_known = any_seen && all_read;
  return limits;
}

std::optional<std::vector<fs::path>> cgroup_cpu_stat_files(const fs::path& membership,
                                                           const fs::path& mount) {
  std::vector<fs::path> files;
  const bool any_seen = for_each_group(membership, mount, [&](const fs::path& group, Version) {
    const fs::path file = group / "cpu.stat";
    // "cpu" and "cpuacct" can be two names of one mount.
    const auto is_same = [&file](const fs::path& other) {
      std::error_code ignored;  // what cannot be compared is another file
      return fs::equivalent(file, other, ignored);
    };
    if (throttled_periods_in(file) && std::ranges::none_of(files, is_same)) files.push_back(file);
  });
  if (!any_seen) return std::nullopt;
  return files;
}

std::optional<Index> throttled_periods() {
  static const auto files = cgroup_cpu_stat_files();
  return files ? throttled_periods(*files) : std::nullopt;
}

std::optional<Index> throttled_periods(const std::vector<fs::path>& cpu_stat_files) {
  Index sum = 0;
  for (const fs::path& file : cpu_stat_files) {
    const std::optional<Index> periods = throttled_periods_in(file);
    if (!periods) return std::nullopt;
    sum += *periods;
  }
  return sum;
}

}  // namespace seqbench
