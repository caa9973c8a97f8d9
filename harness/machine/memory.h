// The memory of this process, and how much of the machine's it may use.
//
// What is read stands in Linux's files below /proc. Old kernels, WSL and sandboxes leave some of
// it out; what is not there is not known, which is not 0.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace seqbench {

/// The number behind "key" in a file of "key: value" lines such as /proc/meminfo, in the unit given
/// there; nothing when the key is absent or no number from 0 follows it.
std::optional<double> number_of_key(const std::filesystem::path& file, const std::string& key);

/// The machine's memory; nothing where the system does not tell.
std::optional<double> total_memory_bytes(const std::filesystem::path& proc = "/proc");

/// The memory that programs can still get without swapping: as the kernel estimates it; else what
/// is free or holds copies of files; else half of the machine's. Nothing where none of these is
/// known.
std::optional<double> available_memory_bytes(const std::filesystem::path& proc = "/proc");

/// The memory a case may use: the smallest of 0.75 × available memory, and of what the cgroup's
/// limit and RLIMIT_AS leave beside what this process has already, half of the limit where that is
/// not known. Infinite where nothing is known.
double usable_memory_bytes(const std::filesystem::path& proc = "/proc");

/// Resident set of this process now, and at its highest since reset_peak_resident_bytes(), which is
/// false where the system does not let a process do so. Nothing where the system does not tell.
std::optional<double> resident_bytes(const std::filesystem::path& proc = "/proc");
std::optional<double> peak_resident_bytes(const std::filesystem::path& proc = "/proc");
bool reset_peak_resident_bytes();

/// How far the resident set grows from the construction on. One at a time: a second one resets what
/// the first counts.
class MemoryGrowth {
 public:
  MemoryGrowth();
  /// At its highest so far; not a number where that is not known.
  double peak_bytes() const;

 private:
  std::optional<double> before_;
};

}  // namespace seqbench
