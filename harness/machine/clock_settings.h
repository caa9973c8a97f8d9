// Who sets the CPUs' clock.
#pragma once

#include <filesystem>
#include <string>

namespace seqbench {

/// "unknown" where the system does not tell, as most virtual machines.
struct ClockSettings {
  std::string governor;  // Linux's name: "performance", "schedutil", …; of the first CPU
  std::string turbo;     // "on", "off": may the clock go beyond its nominal rate?
};

ClockSettings clock_settings(const std::filesystem::path& cpus = "/sys/devices/system/cpu");

}  // namespace seqbench
