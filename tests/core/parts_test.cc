#include "core/parts.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(PartsIn, CountsTheLastPartHoweverSmall) {
  EXPECT_EQ(parts_in(0, 4), 0);
  EXPECT_EQ(parts_in(1, 4), 1);
  EXPECT_EQ(parts_in(4, 4), 1);
  EXPECT_EQ(parts_in(5, 4), 2);
  EXPECT_EQ(parts_in(8, 1), 8);
}

TEST(EvenParts, FollowEachOtherWithTheLargerOnesFirst) {
  for (Index n = 0; n <= 23; ++n) {
    for (Index count = 1; count <= 8; ++count) {
      const EvenParts parts = EvenParts::into(n, count);
      ASSERT_EQ(parts.count(), count);
      Index next = 0;
      for (Index i = 0; i < count; ++i) {
        EXPECT_EQ(parts[i].first, next) << n << " in " << count;
        EXPECT_EQ(parts[i].count, n / count + (i < n % count)) << n << " in " << count;
        next += parts[i].count;
      }
      EXPECT_EQ(next, n);
    }
  }
}

TEST(EvenParts, OfAtMostSoManyAreAsFewAsCanBe) {
  for (Index n = 0; n <= 23; ++n) {
    for (Index most = 1; most <= 8; ++most) {
      const EvenParts parts = EvenParts::of_at_most(n, most);
      EXPECT_EQ(parts.count(), n == 0 ? 1 : (n + most - 1) / most);
      EXPECT_LE(parts[0].count, most);  // the largest
      const Part last = parts[parts.count() - 1];
      EXPECT_EQ(last.first + last.count, n);
    }
  }
}

}  // namespace
}  // namespace seqbench
