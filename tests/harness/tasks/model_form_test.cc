#include "harness/tasks/model_form.h"

#include <gtest/gtest.h>

#include <string>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"

namespace seqbench {
namespace {

/// What refuses a model of these sizes; "" where nothing does.
std::string refusal(const std::vector<std::string>& arguments, Index width, Index heads) {
  CommandLine line("sample", "", "", "");
  line.option("width", "", "");
  line.option("heads", "", "");
  line.parse(arguments);
  try {
    check_heads(line, {.width = width, .heads = heads});
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Heads, DivideTheWidthOrTheOptionGivenIsRefused) {
  EXPECT_EQ(refusal({"--width", "64", "--heads", "4"}, 64, 4), "");
  EXPECT_EQ(refusal({"--width", "64", "--heads", "3"}, 64, 3),
            "--heads: '3' is not allowed; expected a divisor of the width, 64");
  EXPECT_EQ(refusal({"--width", "63"}, 63, 4),
            "--width: '63' is not allowed; expected a multiple of attention's heads, 4");
}

}  // namespace
}  // namespace seqbench
