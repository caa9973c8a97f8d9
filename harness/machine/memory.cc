#include "harness/machine/memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "harness/machine/cgroup.h"

namespace seqbench {

double number_of_key(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) == 0 && line.size() > key.size() &&
        line[key.size()] == ':') {
      return std::strtod(line.c_str() + key.size() + 1, nullptr);
    }
  }
  return 0;
}

double usable_memory_bytes() {
  double limit = 0.75 * 1024 * number_of_key("/proc/meminfo", "MemAvailable");
  limit = std::min(limit, cgroup_quota().memory_bytes - resident_bytes());
  rlimit address_space{};
  if (::getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    const double mapped = 1024 * number_of_key("/proc/self/status", "VmSize");
    limit = std::min(limit, double(address_space.rlim_cur) - mapped);
  }
  return std::max(limit, 0.0);
}

double resident_bytes() { return 1024 * number_of_key("/proc/self/status", "VmRSS"); }

double peak_resident_bytes() { return 1024 * number_of_key("/proc/self/status", "VmHWM"); }

bool reset_peak_resident_bytes() {
  ::malloc_trim(0);  // what was freed must not hide the growth to come
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

}  // namespace seqbench
