#include "harness/ranks/local_communicator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace seqbench {
namespace {

std::span<const std::byte> bytes_of(const int& value) {
  return std::as_bytes(std::span(&value, 1));
}
std::span<std::byte> bytes_of(int& value) { return std::as_writable_bytes(std::span(&value, 1)); }

TEST(LocalCommunicator, EveryRankRunsOnceAndKnowsItsPlace) {
  for (int size = 1; size <= 5; ++size) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(size));
    run_local_ranks(size, [&](Communicator& ranks) {
      EXPECT_EQ(ranks.size(), size);
      ++seen.at(std::size_t(ranks.rank()));
    });
    for (const std::atomic<int>& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(LocalCommunicator, MessagesBetweenTwoRanksKeepTheirOrder) {
  run_local_ranks(3, [](Communicator& ranks) {
    const int next = (ranks.rank() + 1) % 3, before = (ranks.rank() + 2) % 3;
    for (const int value : {1, 2, 3}) ranks.send(next, bytes_of(value));
    for (const int value : {1, 2, 3}) {
      int came = 0;
      ranks.receive(before, bytes_of(came));
      EXPECT_EQ(came, value);
    }
  });
}

TEST(LocalCommunicator, AMessageThatWasBegunFirstComesFirst) {
  run_local_ranks(2, [](Communicator& ranks) {
    const int other = 1 - ranks.rank(), first = 10, second = 20;
    int begun = 0, received = 0;
    ranks.begin_exchange(other, bytes_of(first), other, bytes_of(begun));
    ranks.send(other, bytes_of(second));
    ranks.receive(other, bytes_of(received));
    ranks.wait();
    EXPECT_EQ(begun, 10);
    EXPECT_EQ(received, 20);
  });
}

TEST(LocalCommunicator, SeveralExchangesGoRoundTheRingAtTheSameTime) {
  constexpr int kSize = 5;
  run_local_ranks(kSize, [](Communicator& ranks) {
    const int own = ranks.rank();
    int from[kSize] = {};
    for (int k = 0; k < kSize; ++k) {  // k = 0: to itself
      ranks.begin_exchange((own + k) % kSize, bytes_of(own), (own + kSize - k) % kSize,
                           bytes_of(from[k]));
    }
    ranks.wait();
    for (int k = 0; k < kSize; ++k) EXPECT_EQ(from[k], (own + kSize - k) % kSize);
  });
}

TEST(LocalCommunicator, NobodyLeavesAMeetingBeforeAllHaveCome) {
  std::atomic<int> came = 0;
  run_local_ranks(4, [&](Communicator& ranks) {
    for (int meeting = 1; meeting <= 50; ++meeting) {
      ++came;
      ranks.barrier();
      EXPECT_GE(came, 4 * meeting);
      ranks.barrier();
    }
  });
}

TEST(LocalCommunicator, WhatOneRankThrowsEndsAll) {
  for (const bool meets : {true, false}) {
    try {
      run_local_ranks(3, [&](Communicator& ranks) {
        if (ranks.rank() == 2) throw std::runtime_error("on rank 2");
        int value = 0;
        if (meets) {
          ranks.barrier();
        } else {
          ranks.receive(2, bytes_of(value));
        }
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "on rank 2");
    }
  }
}

}  // namespace
}  // namespace seqbench
