#include "harness/base/recently_used.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace seqbench {
namespace {

std::vector<int> taken(RecentlyUsed<int> entries) {
  std::vector<int> order;
  while (!entries.empty()) order.push_back(entries.take_oldest());
  return order;
}

RecentlyUsed<int> with(const std::vector<int>& added) {
  RecentlyUsed<int> entries;
  for (const int one : added) EXPECT_EQ(entries.add(one), one);
  return entries;
}

TEST(RecentlyUsed, TakesOutWhatWasAddedFirst) {
  EXPECT_EQ(taken(with({1, 2, 3})), (std::vector{1, 2, 3}));
}

TEST(RecentlyUsed, AnEntryThatIsUsedAgainComesLast) {
  auto entries = with({1, 2, 3});
  ASSERT_NE(entries.use([](int one) { return one == 1; }), nullptr);
  EXPECT_EQ(taken(entries), (std::vector{2, 3, 1}));
}

TEST(RecentlyUsed, OfWhatIsNotThereNothingChanges) {
  auto entries = with({1, 2});
  EXPECT_EQ(entries.use([](int one) { return one == 3; }), nullptr);
  EXPECT_EQ(taken(entries), (std::vector{1, 2}));
}

TEST(RecentlyUsed, MakesNoMoreRoomThanIsNeeded) {
  auto entries = with({4, 2, 1});
  std::vector<int> released;
  const auto bytes_of = [](int one) { return double(one); };
  const auto release = [&](int one) { released.push_back(one); };
  entries.make_room(3, 10, bytes_of, release);
  EXPECT_TRUE(released.empty());
  entries.make_room(4, 10, bytes_of, release);
  EXPECT_EQ(released, std::vector{4});
  entries.make_room(11, 10, bytes_of, release);
  EXPECT_EQ(released, (std::vector{4, 2, 1}));
}

TEST(RecentlyUsed, HoldsWhatCannotBeCopied) {
  RecentlyUsed<std::unique_ptr<int>> entries;
  entries.add(std::make_unique<int>(1));
  entries.add(std::make_unique<int>(2));
  entries.erase_if([](const auto& one) { return *one == 1; });
  EXPECT_EQ(*entries.take_oldest(), 2);
  EXPECT_TRUE(entries.empty());
}

}  // namespace
}  // namespace seqbench
