#include "harness/base/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace seqbench {
namespace {

/// Sends standard error elsewhere until its end.
class StandardErrorTo {
 public:
  explicit StandardErrorTo(int file) : before_(::dup(STDERR_FILENO)) {
    ::dup2(file, STDERR_FILENO);
  }
  StandardErrorTo(StandardErrorTo&&) = delete;
  ~StandardErrorTo() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

constexpr char kEnd = '#';

/// Everything from `file` up to the first kEnd.
std::string read_to_end(int file) {
  std::string text;
  for (char next; ::read(file, &next, 1) == 1 && next != kEnd;) text += next;
  return text;
}

/// What `action` writes to standard error while that is a terminal of so many columns.
template <typename Action>
std::string shown_on_terminal(unsigned short columns, const Action& action) {
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(screen, 0);
  EXPECT_EQ(::grantpt(screen), 0);
  EXPECT_EQ(::unlockpt(screen), 0);
  const int terminal = ::open(::ptsname(screen), O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = columns;
  EXPECT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  {
    const StandardErrorTo redirected(terminal);
    action();
    EXPECT_EQ(::write(STDERR_FILENO, &kEnd, 1), 1);
  }
  const std::string text = read_to_end(screen);
  ::close(terminal);
  ::close(screen);
  return text;
}

/// The same while it is a pipe, as in a log.
template <typename Action>
std::string shown_in_log(const Action& action) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  {
    const StandardErrorTo redirected(ends[1]);
    action();
    EXPECT_EQ(::write(STDERR_FILENO, &kEnd, 1), 1);
  }
  const std::string text = read_to_end(ends[0]);
  ::close(ends[0]);
  ::close(ends[1]);
  return text;
}

TEST(Progress, TellsShareTimeLeftAndWhatIsUnderWay) {
  const std::string text = shown_on_terminal(80, [] {
    Progress progress(200, true);
    EXPECT_TRUE(progress.is_due());
    progress.update(100, "sorting");
    EXPECT_FALSE(progress.is_due());
    progress.update(150, "too soon");
    progress.clear();
  });
  // At half of the work as much time is left as has gone by.
  EXPECT_TRUE(text.starts_with("\r\033[K 50 %  ")) << text;
  EXPECT_NE(text.find(" s left  sorting\r\033[K"), std::string::npos) << text;
  EXPECT_EQ(text.find("too soon"), std::string::npos) << text;
}

TEST(Progress, EstimatesNothingBeforeOnePercent) {
  const std::string text = shown_on_terminal(80, [] { Progress(200, true).update(2, "sorting"); });
  EXPECT_EQ(text, "\r\033[K  1 %  sorting\r\033[K");
  EXPECT_EQ(shown_on_terminal(80, [] { Progress(0, true).update(1, "sorting"); }),
            "\r\033[K  0 %  sorting\r\033[K");
}

TEST(Progress, NeverFillsALineOfTheTerminal) {
  EXPECT_EQ(shown_on_terminal(12, [] { Progress(200, true).update(1, "sorting"); }),
            "\r\033[K  0 %  sort\r\033[K");
}

TEST(Progress, ShowsNothingUnlessWanted) {
  const std::string text = shown_on_terminal(80, [] {
    Progress progress(200, false);
    EXPECT_FALSE(progress.is_due());
    progress.update(100, "sorting");
  });
  EXPECT_EQ(text, "");
}

TEST(Progress, LeavesALogInPeaceForItsFirstMinute) {
  const std::string text = shown_in_log([] {
    Progress progress(200, true);
    EXPECT_FALSE(progress.is_due());
    progress.update(100, "sorting");
    progress.clear();
  });
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace seqbench
