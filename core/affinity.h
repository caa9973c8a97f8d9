// Which CPUs a thread may run on, on machines of any number of CPUs.
#pragma once

#include <optional>
#include <vector>

namespace seqbench {

/// The CPUs that the calling thread may run on, in rising order; nothing where the system does not
/// tell.
std::optional<std::vector<int>> allowed_cpus();

/// Lets the calling thread run on `cpu` alone. Returns 0, or the error's number (errno), and then
/// the thread may run where it might before.
int pin_to(int cpu) noexcept;

/// True when the calling thread may run on `cpu` alone. Asks the system, since another program can
/// move a thread; where that does not tell, by the last pin_to().
bool is_pinned_to(int cpu) noexcept;

}  // namespace seqbench
