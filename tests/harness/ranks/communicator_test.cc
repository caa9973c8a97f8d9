#include "harness/ranks/communicator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "core/random.h"
#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <typename T>
std::span<std::byte> writable_bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

/// Of rank r, numbers whose sum depends on the order in which they are added.
template <typename T>
std::vector<T> values_of(int rank, std::size_t count) {
  Random random(std::uint64_t(rank) + 1);
  std::vector<T> values(count);
  fill_normal(random, std::span<T>(values), 0, std::pow(10.0, rank % 3));
  return values;
}

template <typename T>
void expect_sums_in_the_order_of_the_ranks(int size, std::size_t count) {
  std::vector<T> expected = values_of<T>(0, count);
  for (int r = 1; r < size; ++r) {
    const std::vector<T> more = values_of<T>(r, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += more[i];
  }
  std::mutex mutex;
  run_local_ranks(size, [&](Communicator& ranks) {
    std::vector<T> values = values_of<T>(ranks.rank(), count);
    ranks.sum(std::span<T>(values));
    const std::lock_guard lock(mutex);
    EXPECT_EQ(std::memcmp(values.data(), expected.data(), count * sizeof(T)), 0)
        << "rank " << ranks.rank() << " of " << size << ", " << count << " values";
  });
}

TEST(Communicator, SumsHaveTheSameBitsOnEveryRankWhateverTheirNumber) {
  for (int size = 1; size <= 5; ++size) {
    for (const std::size_t count : {0u, 1u, 2u, 4u, 5u, 6u, 1001u}) {
      expect_sums_in_the_order_of_the_ranks<float>(size, count);
      expect_sums_in_the_order_of_the_ranks<double>(size, count);
    }
  }
}

TEST(Communicator, ASumOfASmallerNumberFollowsOneOfALarger) {
  run_local_ranks(3, [](Communicator& ranks) {
    for (const std::size_t count : {100u, 7u, 50u}) {
      std::vector<double> values(count, double(ranks.rank()));
      ranks.sum(std::span<double>(values));
      for (const double value : values) EXPECT_EQ(value, 3);
    }
  });
}

TEST(Communicator, CountsSecondsAndTheBytesThatARankSends) {
  constexpr int kSize = 4;
  run_local_ranks(kSize, [](Communicator& ranks) {
    EXPECT_EQ(ranks.take_traffic().bytes_sent, 0);
    // Each rank sends its part of the other ranks' sums, and its own sums to each of them.
    std::vector<float> values(8 * kSize);
    ranks.sum(std::span<float>(values));
    const Traffic of_sum = ranks.take_traffic();
    EXPECT_EQ(of_sum.bytes_sent, 2.0 * (kSize - 1) * 8 * sizeof(float));
    EXPECT_GT(of_sum.seconds, 0);
    std::vector<double> message(5);
    ranks.broadcast(2, writable_bytes_of(message));
    EXPECT_EQ(ranks.take_traffic().bytes_sent, ranks.rank() == 2 ? 3.0 * 40 : 0.0);
    ranks.barrier();
    const Traffic of_barrier = ranks.take_traffic();
    EXPECT_EQ(of_barrier.bytes_sent, 0);
    EXPECT_GT(of_barrier.seconds, 0);
    EXPECT_EQ(ranks.take_traffic().seconds, 0);
  });
}

TEST(Communicator, ARankAloneSaysNothing) {
  run_local_ranks(1, [](Communicator& ranks) {
    std::vector<double> values = {1, 2};
    ranks.sum(std::span<double>(values));
    ranks.broadcast(0, writable_bytes_of(values));
    ranks.barrier();
    EXPECT_EQ(values, (std::vector<double>{1, 2}));
    EXPECT_EQ(ranks.take_traffic().bytes_sent, 0);
  });
}

TEST(Communicator, ACallThatThrowsBreaksIt) {
  const auto one_ends = [](Communicator& ranks) {
    if (ranks.rank() == 1) return;
    EXPECT_FALSE(ranks.is_broken());
    std::vector<int> message(3);
    try {
      ranks.receive(1, writable_bytes_of(message));
    } catch (const std::exception&) {
      EXPECT_TRUE(ranks.is_broken());
      throw;
    }
  };
  EXPECT_THROW(run_local_ranks(2,
                               [&](Communicator& ranks) {
                                 if (ranks.rank() == 1) {
                                   const std::vector<int> message(2);
                                   ranks.send(0, bytes_of(message));
                                 }
                                 one_ends(ranks);
                               }),
               std::logic_error);  // another number of bytes
}

}  // namespace
}  // namespace seqbench
