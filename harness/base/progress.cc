#include "harness/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "harness/base/units.h"

namespace seqbench {
namespace {

constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::milliseconds kLogInterval{60'000};

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(double total, bool wanted)
    : total_(total),
      shown_(wanted),
      on_terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_(on_terminal_ ? start_ - kRedrawInterval : start_) {}

Progress::~Progress() { clear(); }

bool Progress::is_due() const {
  return shown_ && Clock::now() - last_ >= (on_terminal_ ? kRedrawInterval : kLogInterval);
}

void Progress::update(double done, const std::string& what) {
  if (!is_due()) return;
  const Clock::time_point now = Clock::now();
  last_ = now;
  const double fraction = total_ > 0 ? std::clamp(done / total_, 0.0, 1.0) : 0.0;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  char head[64];
  std::snprintf(head, sizeof(head), "%3.0f %%", 100 * fraction);
  std::string line = head;
  // Before one percent is done an estimate would be a guess.
  if (fraction > 0.01) line += "  " + human_duration(elapsed * (1 / fraction - 1)) + " left";
  line += "  " + what;
  if (!on_terminal_) {
    std::cerr << line << std::endl;
    return;
  }
  if (line.size() >= terminal_columns()) line.resize(terminal_columns() - 1);
  std::cerr << "\r\033[K" << line << std::flush;
}

void Progress::clear() {
  if (shown_ && on_terminal_) std::cerr << "\r\033[K" << std::flush;
}

}  // namespace seqbench
