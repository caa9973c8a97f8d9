// What the fuzz targets share: their entry, taking an input apart, and the folder in memory where
// they put files.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace seqbench {

/// A target defines this: one execution with this input.
void run(std::string_view input);

/// Ends the process, which libFuzzer reports as a finding, when what must hold does not.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Removes and returns what stands before the first `separator`; all when there is none.
inline std::string_view take_until(std::string_view& text, char separator) {
  const std::string_view taken = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), taken.size() + 1));
  return taken;
}

/// A folder of this process, in memory where the system has such, removed at its end.
class ScratchFolder {
 public:
  ScratchFolder() { std::filesystem::create_directories(path_); }
  ScratchFolder(ScratchFolder&&) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  std::filesystem::path file(const char* name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

  void write(const char* name, std::string_view text) const {
    std::ofstream(file(name), std::ios::binary).write(text.data(), std::streamsize(text.size()));
  }

 private:
  static std::filesystem::path memory() {
    return std::filesystem::exists("/dev/shm") ? std::filesystem::path("/dev/shm")
                                               : std::filesystem::temp_directory_path();
  }

  std::filesystem::path path_ = memory() / ("seqbench-fuzz-" + std::to_string(::getpid()));
};

}  // namespace seqbench
