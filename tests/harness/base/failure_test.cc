#include "harness/base/failure.h"

#include <gtest/gtest.h>

#include <csignal>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"

namespace seqbench {
namespace {

/// The exit code and the line about what `raise` throws.
template <typename Raise>
std::pair<int, std::string> told(const Raise& raise) {
  testing::internal::CaptureStderr();
  int code = 0;
  try {
    raise();
  } catch (...) {
    code = tell_failure();
  }
  return {code, testing::internal::GetCapturedStderr()};
}

using Told = std::pair<int, std::string>;

TEST(Failure, EachKindHasItsExitCodeAndOneLine) {
  EXPECT_EQ(told([] { throw UsageError("--length: '0'"); }), Told(2, "seqbench: --length: '0'\n"));
  EXPECT_EQ(told([] { throw FileError("no such file"); }), Told(1, "seqbench: no such file\n"));
  EXPECT_EQ(told([] { throw std::bad_alloc(); }), Told(1, "seqbench: out of memory\n"));
  EXPECT_EQ(told([] { throw std::logic_error("a bug"); }), Told(1, "seqbench: a bug\n"));
}

TEST(Failure, ASignalIsToldWithWhatIsKept) {
  const Told interrupted = told([] { throw Interrupted{SIGINT}; });
  EXPECT_EQ(interrupted.first, 130);
  EXPECT_TRUE(interrupted.second.starts_with("seqbench: interrupted; what is finished is kept"));
  const Told terminated = told([] { throw Interrupted{SIGTERM}; });
  EXPECT_EQ(terminated.first, 143);
  EXPECT_TRUE(terminated.second.starts_with("seqbench: terminated; "));
}

TEST(Failure, ControlCharactersDoNotReachTheTerminal) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(tell("a\nb\x1b[2J", 7), 7);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "seqbench: a\\x0ab\\x1b[2J\n");
}

}  // namespace
}  // namespace seqbench
