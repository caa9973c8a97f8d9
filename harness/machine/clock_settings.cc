#include "harness/machine/clock_settings.h"

#include <fstream>

namespace seqbench {
namespace {

std::string first_word(const std::filesystem::path& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

/// Intel's driver has a switch of its own, the others share one.
std::string turbo(const std::filesystem::path& cpus) {
  const std::string is_off = first_word(cpus / "intel_pstate/no_turbo");
  if (!is_off.empty()) return is_off == "1" ? "off" : "on";
  const std::string is_on = first_word(cpus / "cpufreq/boost");
  if (!is_on.empty()) return is_on == "1" ? "on" : "off";
  return "unknown";
}

}  // namespace

ClockSettings clock_settings(const std::filesystem::path& cpus) {
  const std::string governor = first_word(cpus / "cpu0/cpufreq/scaling_governor");
  return {.governor = governor.empty() ? "unknown" : governor, .turbo = turbo(cpus)};
}

}  // namespace seqbench
