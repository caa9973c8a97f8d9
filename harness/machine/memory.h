// The memory of this process, and how much of the machine's it may use.
#pragma once

#include <string>

namespace seqbench {

/// The number behind "key" in a file of "key: value" lines such as /proc/meminfo, in the unit given
/// there; 0 when the key is absent.
double number_of_key(const std::string& path, const std::string& key);

/// The memory a case may use: the smallest of 0.75 × available memory, and of what the cgroup's
/// limit and RLIMIT_AS leave beside what this process has already.
double usable_memory_bytes();

/// Resident set of this process now, and at its highest since reset_peak_resident_bytes(), which is
/// false where the system does not let a process do so.
double resident_bytes();
double peak_resident_bytes();
bool reset_peak_resident_bytes();

}  // namespace seqbench
