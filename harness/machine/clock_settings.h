// Who sets the CPUs' clock.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace seqbench {

/// "unknown" where the system does not tell, as most virtual machines.
struct ClockSettings {
  std::string
      governor;  // Linux's name: "performance", "schedutil", …; all of them where CPUs differ
  std::string turbo;  // "on", "off": may the clock go beyond its nominal rate?
};

/// Of `cpus`, as `root` tells.
ClockSettings clock_settings(const std::vector<int>& cpus,
                             const std::filesystem::path& root = "/sys/devices/system/cpu");

}  // namespace seqbench
