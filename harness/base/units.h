// Times and sizes as a person reads them.
#pragma once

#include <string>

namespace seqbench {

/// "3 s", "4 min 05 s", "2 h 10 min".
std::string human_duration(double seconds);
/// "512 B", "1.5 GiB".
std::string human_bytes(double bytes);

}  // namespace seqbench
