#include "harness/machine/memory.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "harness/machine/cgroup.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

constexpr double kKibibyte = 1024;

std::optional<double> bytes_of_key(const fs::path& file, const std::string& key) {
  const std::optional<double> kibibytes = number_of_key(file, key);
  if (!kibibytes) return std::nullopt;
  return kKibibyte * *kibibytes;
}

/// What a limit leaves beside `taken`.
double left_of(double limit, const std::optional<double>& taken) {
  return taken ? limit - *taken : limit / 2;
}

/// Free pages and those that hold copies of files. Shared memory is counted among the latter, and
/// cannot be given up.
std::optional<double> free_and_cached_bytes(const fs::path& meminfo) {
  const std::optional<double> free = bytes_of_key(meminfo, "MemFree");
  if (!free) return std::nullopt;
  double bytes = *free;
  for (const char* key : {"Buffers", "Cached", "SReclaimable"}) {
    bytes += bytes_of_key(meminfo, key).value_or(0);
  }
  return std::max(*free, bytes - bytes_of_key(meminfo, "Shmem").value_or(0));
}

}  // namespace

std::optional<double> number_of_key(const fs::path& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key + ":")) continue;
    const char* const text = line.c_str() + key.size() + 1;
    char* end = nullptr;
    const double number = std::strtod(text, &end);
    if (end == text || !std::isfinite(number) || number < 0) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

std::optional<double> total_memory_bytes(const fs::path& proc) {
  if (const auto total = bytes_of_key(proc / "meminfo", "MemTotal")) return total;
  const double pages = double(::sysconf(_SC_PHYS_PAGES)), size = double(::sysconf(_SC_PAGESIZE));
  if (pages <= 0 || size <= 0) return std::nullopt;
  return pages * size;
}

std::optional<double> available_memory_bytes(const fs::path& proc) {
  const fs::path meminfo = proc / "meminfo";
  // Since Linux 3.14.
  if (const auto available = bytes_of_key(meminfo, "MemAvailable")) return available;
  if (const auto bytes = free_and_cached_bytes(meminfo)) return bytes;
  if (const auto total = total_memory_bytes(proc)) return *total / 2;
  return std::nullopt;
}

double usable_memory_bytes(const fs::path& proc) {
  double limit = 0.75 * available_memory_bytes(proc).value_or(HUGE_VAL);
  limit = std::min(limit, left_of(cgroup_quota().memory_bytes, resident_bytes(proc)));
  rlimit address_space{};
  if (::getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    const auto mapped = bytes_of_key(proc / "self/status", "VmSize");
    limit = std::min(limit, left_of(double(address_space.rlim_cur), mapped));
  }
  return std::max(limit, 0.0);
}

std::optional<double> resident_bytes(const fs::path& proc) {
  return bytes_of_key(proc / "self/status", "VmRSS");
}

std::optional<double> peak_resident_bytes(const fs::path& proc) {
  return bytes_of_key(proc / "self/status", "VmHWM");
}

bool reset_peak_resident_bytes() {
  ::malloc_trim(0);  // what was freed must not hide the growth to come
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

MemoryGrowth::MemoryGrowth() {
  if (reset_peak_resident_bytes()) before_ = resident_bytes();
}

double MemoryGrowth::peak_bytes() const {
  const std::optional<double> peak = peak_resident_bytes();
  if (!before_ || !peak) return std::numeric_limits<double>::quiet_NaN();
  return std::max(0.0, *peak - *before_);
}

}  // namespace seqbench
