#include "harness/base/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace seqbench {
namespace {

/// In a process of its own, which keeps what it noted: ends with what a safe point throws after
/// `signal`, or with 0.
[[noreturn]] void exit_at_safe_point(int signal) {
  install_signal_handlers();
  std::raise(signal);
  if (pending_signal() != signal) std::_Exit(1);
  try {
    stop_if_interrupted();
  } catch (const Interrupted& stop) {
    std::_Exit(128 + stop.signal);
  }
  std::_Exit(0);
}

TEST(Interrupt, ASignalIsThrownAtTheNextSafePoint) {
  EXPECT_EXIT(exit_at_safe_point(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(exit_at_safe_point(SIGTERM), testing::ExitedWithCode(143), "");
}

TEST(Interrupt, WithoutASignalNothingIsThrown) {
  EXPECT_EQ(pending_signal(), 0);
  EXPECT_NO_THROW(stop_if_interrupted());
}

TEST(Interrupt, ASecondSignalEndsTheProcess) {
  const auto raise_twice = [](int signal) {
    install_signal_handlers();
    std::raise(signal);
    std::raise(signal);
    std::_Exit(0);
  };
  EXPECT_EXIT(raise_twice(SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise_twice(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace seqbench
