#include "harness/base/sha256.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

std::string sum_of(const std::string& text, std::size_t piece = 1000) {
  Sha256 sum;
  for (std::size_t first = 0; first < text.size(); first += piece) {
    sum.add(std::string_view(text).substr(first, piece));
  }
  return sum.hex();
}

// The examples of FIPS 180-2, appendix B, and the empty message.
TEST(Sha256, GivesThePublishedSums) {
  EXPECT_EQ(sum_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sum_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sum_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sum_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsTheSameHoweverTheBytesArrive) {
  // Around the block's 64 bytes and the 56 that leave room for the length.
  for (const std::size_t length : {55u, 56u, 57u, 63u, 64u, 65u, 128u}) {
    const std::string text(length, 'x');
    EXPECT_EQ(sum_of(text, 1), sum_of(text)) << length;
    EXPECT_EQ(sum_of(text, 7), sum_of(text)) << length;
  }
}

}  // namespace
}  // namespace seqbench
