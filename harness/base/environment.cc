#include "harness/base/environment.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace seqbench {
namespace {

constexpr std::string_view kKeptFromLibraries[] = {"BENCHMARK_", "HWLOC_", "OMP_DISPLAY_",
                                                   "OPENBLAS_VERBOSE"};

// OpenMP's names, those of both of its runtimes, OpenBLAS's, and those of the C library's
// allocator.
constexpr std::string_view kLeftToLibraries[] = {"OMP_",      "GOMP_", "KMP_",    "OPENBLAS_",
                                                 "GOTOBLAS_", "GOTO_", "MALLOC_", "GLIBC_TUNABLES"};

template <typename Prefixes>
bool starts_with_one_of(std::string_view name, const Prefixes& prefixes) {
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

/// Called with main()'s arguments by the loader, before it lets any library start: no allocation
/// and no output. Sanitizers have started by then, in the same way.
void take_away(int, char**, char** environment) {
  char** kept = environment;
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (!is_kept_from_libraries(*entry)) *kept++ = *entry;
  }
  *kept = nullptr;
}

[[gnu::section(".preinit_array"),
  gnu::used]] void (*const kBeforeLibrariesStart)(int, char**, char**) = take_away;

}  // namespace

bool is_kept_from_libraries(std::string_view name) {
  return starts_with_one_of(name, kKeptFromLibraries);
}

std::vector<std::pair<std::string, std::string>> library_variables() {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!starts_with_one_of(text, kLeftToLibraries)) continue;
    const std::size_t equals = std::min(text.find('='), text.size());
    found.emplace_back(text.substr(0, equals), text.substr(std::min(equals + 1, text.size())));
  }
  std::ranges::sort(found);
  return found;
}

void silence_libraries() {
  ::setenv("HWLOC_HIDE_ERRORS", "2", 1);
#if defined(KMP_VERSION_MAJOR)
  kmp_set_warnings_off();
#endif
}

}  // namespace seqbench
