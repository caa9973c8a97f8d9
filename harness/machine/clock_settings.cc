#include "harness/machine/clock_settings.h"

#include <algorithm>
#include <fstream>

#include "harness/base/command_line.h"

namespace seqbench {
namespace {

constexpr const char* kUnknown = "unknown";

/// kUnknown when there is none.
std::string first_word(const std::filesystem::path& file) {
  std::string word;
  return std::ifstream(file) >> word ? word : kUnknown;
}

/// Each one once, in the order of the CPUs.
std::string governors(const std::vector<int>& cpus, const std::filesystem::path& root) {
  std::vector<std::string> found;
  for (const int cpu : cpus) {
    const std::string name =
        first_word(root / ("cpu" + std::to_string(cpu)) / "cpufreq/scaling_governor");
    if (std::ranges::find(found, name) == found.end()) found.push_back(name);
  }
  return found.empty() ? kUnknown : join(found);
}

/// Intel's driver has a switch of its own, the others share one.
std::string turbo(const std::filesystem::path& root) {
  const std::string is_off = first_word(root / "intel_pstate/no_turbo");
  if (is_off == "0" || is_off == "1") return is_off == "1" ? "off" : "on";
  const std::string is_on = first_word(root / "cpufreq/boost");
  if (is_on == "0" || is_on == "1") return is_on == "1" ? "on" : "off";
  return kUnknown;
}

}  // namespace

ClockSettings clock_settings(const std::vector<int>& cpus, const std::filesystem::path& root) {
  return {.governor = governors(cpus, root), .turbo = turbo(root)};
}

}  // namespace seqbench
