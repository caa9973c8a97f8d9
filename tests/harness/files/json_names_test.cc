#include "harness/files/json_names.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

using Json = nlohmann::json;

/// The names that the text gives to an object again, in their order.
std::vector<std::string> repeated_in(const std::string& text) {
  UniqueNames names;
  std::vector<std::string> repeated;
  const auto check = [&](int, Json::parse_event_t event, const Json& parsed) {
    if (const auto name = names.repeated(event, parsed)) repeated.push_back(*name);
    return true;
  };
  EXPECT_NO_THROW(const Json parsed = Json::parse(text, check));
  return repeated;
}

TEST(UniqueNames, FindsANameThatAnObjectHasTwice) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(repeated_in(R"({"a":1,"b":2,"a":3})"), Names{"a"});
  EXPECT_EQ(repeated_in(R"({"a":1,"\u0061":2})"), Names{"a"});
  EXPECT_EQ(repeated_in(R"({"a":{"b":1,"b":2},"c":[{"d":1},{"e":1,"e":2}]})"), (Names{"b", "e"}));
}

TEST(UniqueNames, ObjectsMayShareNames) {
  EXPECT_TRUE(repeated_in(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})").empty());
  EXPECT_TRUE(repeated_in("[]").empty());
}

}  // namespace
}  // namespace seqbench
