#include "harness/ranks/rank_texts.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

std::string text_of(int rank) { return std::string(std::size_t(rank * 1000), char('a' + rank)); }

TEST(RankTexts, EveryRankHasAllTexts) {
  for (int size = 1; size <= 5; ++size) {
    run_local_ranks(size, [&](Communicator& ranks) {
      const std::vector<std::string> texts = texts_of_all(ranks, text_of(ranks.rank()));
      ASSERT_EQ(texts.size(), std::size_t(size));
      for (int r = 0; r < size; ++r) EXPECT_EQ(texts[std::size_t(r)], text_of(r));
    });
  }
}

TEST(RankTexts, RankZeroHasAllAndGivesItsOwn) {
  run_local_ranks(3, [](Communicator& ranks) {
    const std::vector<std::string> texts = texts_at_first(ranks, text_of(ranks.rank()));
    EXPECT_EQ(texts.size(), ranks.rank() == 0 ? 3u : 0u);
    EXPECT_EQ(text_of_first(ranks, "from " + std::to_string(ranks.rank())), "from 0");
    EXPECT_EQ(text_of_first(ranks, ranks.rank() == 0 ? "" : "other"), "");
  });
}

/// What each of `size` ranks throws when `wrong` does not state what the others do.
std::vector<std::string> refusals(int size, int wrong, bool throws) {
  std::vector<std::string> messages(static_cast<std::size_t>(size));
  run_local_ranks(size, [&](Communicator& ranks) {
    const int own = ranks.rank();
    try {
      agree(
          ranks,
          [&]() -> std::string {
            if (own == wrong && throws) throw UsageError("--length: it is wrong");
            return own == wrong ? "length 9" : "length 8";
          },
          [](const std::string& first, const std::string& other) {
            return "'" + other + "' there, '" + first + "' on rank 0";
          });
    } catch (const UsageError& error) {
      messages[std::size_t(own)] = error.what();
    }
  });
  return messages;
}

TEST(RankTexts, RanksThatStateTheSameAgree) {
  for (const std::string& message : refusals(3, 5, false)) EXPECT_EQ(message, "");
}

TEST(RankTexts, AllRanksRefuseWithTheSameWords) {
  for (const std::string& message : refusals(3, 2, false)) {
    EXPECT_EQ(message,
              "rank 2 differs from rank 0: 'length 9' there, 'length 8' on rank 0; expected the "
              "same options and the same build on all ranks");
  }
  for (const std::string& message : refusals(3, 1, true)) {
    EXPECT_EQ(message, "rank 1: --length: it is wrong");
  }
  for (const std::string& message : refusals(3, 0, true)) {
    EXPECT_EQ(message, "--length: it is wrong");
  }
}

}  // namespace
}  // namespace seqbench
