#include "harness/base/utf8.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(Utf8, KeepsCharactersOfEveryLength) {
  // The first and last code points of one to four bytes, without the surrogates.
  for (const char* text :
       {"", "plain", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "café ÷ 10⁹"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(utf8_or_escaped(text), text);
  }
}

TEST(Utf8, EscapesEveryByteThatBelongsToNoCharacter) {
  struct Bad {
    const char *text, *escaped;
  };
  for (const Bad& bad : {
           Bad{"caf\xe9", R"(caf\xe9)"},                    // Latin-1
           Bad{"\xe9.cfg", R"(\xe9.cfg)"},                  // and cut off by what follows
           Bad{"\x80", R"(\x80)"},                          // a trail without a lead
           Bad{"a\xc3", R"(a\xc3)"},                        // cut off by the end
           Bad{"\xe2\x82", R"(\xe2\x82)"},                  // the same, later
           Bad{"\xc0\xaf", R"(\xc0\xaf)"},                  // overlong '/'
           Bad{"\xe0\x9f\xbf", R"(\xe0\x9f\xbf)"},          // overlong U+07FF
           Bad{"\xf0\x8f\xbf\xbf", R"(\xf0\x8f\xbf\xbf)"},  // overlong U+FFFF
           Bad{"\xed\xa0\x80", R"(\xed\xa0\x80)"},          // the first surrogate
           Bad{"\xed\xbf\xbf", R"(\xed\xbf\xbf)"},          // the last one
           Bad{"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"},  // U+110000
           Bad{"\xff\xc3\xa9\xfe", "\\xff\xc3\xa9\\xfe"},   // é between two
           Bad{"\xe2\xc3\xa9", "\\xe2\xc3\xa9"},            // é behind a lead
       }) {
    EXPECT_FALSE(is_utf8(bad.text)) << bad.escaped;
    EXPECT_EQ(utf8_or_escaped(bad.text), bad.escaped);
    EXPECT_EQ(printable(bad.text), bad.escaped);
    EXPECT_TRUE(is_utf8(utf8_or_escaped(bad.text)));
  }
}

TEST(Printable, EscapesControlCharactersOfBothSets) {
  EXPECT_EQ(printable("lstm\x1b[2J\ngru\x7f"), R"(lstm\x1b[2J\x0agru\x7f)");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            R"(\xc2\x9b2J)");  // CSI in one character
  EXPECT_EQ(printable("a\xc2\xa0÷"), "a\xc2\xa0÷");
  EXPECT_EQ(printable(std::string("a\0b", 3)), R"(a\x00b)");
}

TEST(Utf8, ReadableTextKeepsItsLines) {
  EXPECT_EQ(readable("a\n\tä\x1b[2J\r\xff"), "a\n\tä\\x1b[2J\\x0d\\xff");
}

}  // namespace
}  // namespace seqbench
