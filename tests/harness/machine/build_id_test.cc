#include "harness/machine/build_id.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace seqbench {
namespace {

TEST(BuildId, IsTheLinkersHash) {
  EXPECT_GE(build_id().size(), 16u);
  EXPECT_EQ(build_id().find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(BuildId, IsThatOfThisProgramAndNotOfALibrary) {
  std::string note("GNU", 4);  // the note's name and the zero behind it, then the hash
  for (std::size_t i = 0; i < build_id().size(); i += 2) {
    note += static_cast<char>(std::stoi(build_id().substr(i, 2), nullptr, 16));
  }
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string program((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(program.find(note), std::string::npos);
}

}  // namespace
}  // namespace seqbench
