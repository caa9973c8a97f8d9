#include "harness/text/known_texts.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

TEST(KnownTexts, AreKnownByNameAndSum) {
  for (const KnownText& text : known_texts()) {
    EXPECT_EQ(text.sha256.size(), 64u);
    EXPECT_GT(text.bytes, 0);
    EXPECT_THROW(text_path(text.name), UsageError) << "there is none below the tests";
    EXPECT_THROW(require_known_sum(text.name, std::string(64, '0')), UsageError);
    require_known_sum(text.name, text.sha256);
  }
  EXPECT_EQ(text_path("some/file"), "some/file");
  require_known_sum("some/file", "any");
}

}  // namespace
}  // namespace seqbench
