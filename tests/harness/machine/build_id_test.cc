#include "harness/machine/build_id.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(BuildId, IsTheLinkersHash) {
  EXPECT_GE(build_id().size(), 16u);
  EXPECT_EQ(build_id().find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace seqbench
