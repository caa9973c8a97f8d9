#include "harness/base/command_line.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

CommandLine sample() {
  CommandLine line("sample", "[options]", "A command.", "  seqbench sample\n");
  line.option("length", "512", "tokens").option("rate", "", "learning rate");
  line.option("config", "", "file").flag("causal", "mask").positional("file", "input");
  return line;
}

class CommandLineFile : public FolderTest {
 protected:
  std::string config_file(const std::string& text) const {
    write("options.cfg", text);
    return folder_ / "options.cfg";
  }
};

TEST(IntegerList, ReadsValuesAndDoublingRanges) {
  EXPECT_EQ(parse_integer_list("length", "7"), (std::vector<Index>{7}));
  EXPECT_EQ(parse_integer_list("length", "1,64..512"), (std::vector<Index>{1, 64, 128, 256, 512}));
  EXPECT_EQ(parse_integer_list("length", "100..500"), (std::vector<Index>{100, 200, 400}));
  EXPECT_EQ(parse_integer_list("length", "4,4,2..4"), (std::vector<Index>{4, 2}));
  EXPECT_EQ(parse_integer_list("length", "2147483647"), (std::vector<Index>{2147483647}));
}

TEST(IntegerList, RefusesWhatIsNotAPositiveInteger) {
  for (const char* text :
       {"0", "-1", "1000000000000", "18446744073709551616", "2147483648", "7x", "", ",", "1,",
        "nan", "1.5", "8..4", "..4", "4..", "1e3", " 1", "+1", "0x10"}) {
    EXPECT_THROW(parse_integer_list("length", text), UsageError) << '"' << text << '"';
  }
}

TEST(IntegerList, NamesOptionValueAndAllowedRange) {
  try {
    parse_integer("batch", "-1");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "--batch: '-1' is not allowed; expected an integer from 1 to 2147483647");
  }
}

TEST(Number, RefusesNonFiniteAndOutOfRange) {
  EXPECT_DOUBLE_EQ(parse_number("rate", "3e-3", 0, 1), 3e-3);
  for (const char* text : {"nan", "inf", "-inf", "2", "-0.1", "", "1e999", "0.1x"}) {
    EXPECT_THROW(parse_number("rate", text, 0, 1), UsageError) << '"' << text << '"';
  }
}

TEST(NumberList, IsInTheOrderGivenWithoutRepeats) {
  EXPECT_EQ(parse_number_list("rate", "1e-2,0,0.01,3", 0, 3), (std::vector<double>{1e-2, 0, 3}));
  for (const char* text : {"", "1,", ",1", "1,4", "1,nan", "1;2"}) {
    EXPECT_THROW(parse_number_list("rate", text, 0, 3), UsageError) << '"' << text << '"';
  }
}

TEST(Share, IsAPercentageOrAFraction) {
  EXPECT_DOUBLE_EQ(parse_share("precision", "2%", 0.001, 1), 0.02);
  EXPECT_DOUBLE_EQ(parse_share("precision", "0.02", 0.001, 1), 0.02);
  EXPECT_DOUBLE_EQ(parse_share("precision", "0.5%", 0.001, 1), 0.005);
  for (const char* text : {"", "%", "2", "0", "0.05%", "-2%", "nan%", "2%%", "2 %", "101%"}) {
    EXPECT_THROW(parse_share("precision", text, 0.001, 1), UsageError) << '"' << text << '"';
  }
}

TEST(NameList, RefusesUnknownNamesAndExpandsAll) {
  const std::vector<std::string> allowed = {"elman", "lstm"};
  EXPECT_EQ(parse_name_list("model", "lstm,elman,lstm", allowed),
            (std::vector<std::string>{"lstm", "elman"}));
  EXPECT_EQ(parse_name_list("model", "all", allowed), allowed);
  EXPECT_THROW(parse_name_list("model", "lstm,", allowed), UsageError);
  EXPECT_THROW(parse_name_list("model", "LSTM", allowed), UsageError);
}

TEST(Bytes, ReadsBinarySuffixes) {
  EXPECT_EQ(parse_bytes("memory-limit", "4096"), 4096);
  EXPECT_EQ(parse_bytes("memory-limit", "2GiB"), 2.0 * 1024 * 1024 * 1024);
  EXPECT_EQ(parse_bytes("memory-limit", "1.5M"), 1.5 * 1024 * 1024);
  for (const char* text : {"", "G", "-1G", "2GB", "0", "nan", "1e30", "7x"}) {
    EXPECT_THROW(parse_bytes("memory-limit", text), UsageError) << '"' << text << '"';
  }
}

TEST(CommandLine, ReadsOptionsPositionalFlagsAndWhatFollowsDashes) {
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"in.bin", "--length", "8..16", "--causal", "--", "--benchmark_x=1"}));
  EXPECT_EQ(line.text("file"), "in.bin");
  EXPECT_EQ(line.integers("length"), (std::vector<Index>{8, 16}));
  EXPECT_TRUE(line.flag_given("causal"));
  EXPECT_FALSE(line.given("rate"));
  EXPECT_EQ(line.passed_on(), (std::vector<std::string>{"--benchmark_x=1"}));
}

TEST(CommandLine, RefusesUnknownRepeatedAbbreviatedAndEmptyOptions) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--unknown", "1"},
                                             {"--length", "1", "--length", "2"},
                                             {"--len", "1"},
                                             {"--length"},
                                             {"--length="},
                                             {"--length", ""},
                                             {"--causal=maybe"},
                                             {"--causal="},
                                             {"--causal", "--causal"},
                                             {"one", "two"},
                                             {"--config", "/nonexistent/file.cfg"}}) {
    CommandLine line = sample();
    EXPECT_THROW(line.parse(arguments), UsageError) << arguments.front();
  }
}

TEST_F(CommandLineFile, RefusesTextThatBoostWouldSubstituteWithoutEnd) {
  const std::string path = config_file("causal=%value%\n");
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--%original_token%"}, {"--causal=%value%"}, {"a%b%c_d%"}, {"--config", path}}) {
    CommandLine line = sample();
    EXPECT_THROW(line.parse(arguments), UsageError) << arguments.front();
  }
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--rate", "2%", "100%%_of_7%"}));
  EXPECT_EQ(line.text("file"), "100%%_of_7%");
}

TEST_F(CommandLineFile, TakesConfigValuesThatTheCommandLineDoesNotGive) {
  const std::string path = config_file("length = 64\nrate=0.5\ncausal=true\n");
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--config", path, "--length", "128"}));
  EXPECT_EQ(line.integer("length"), 128);
  EXPECT_EQ(line.number("rate", 0, 1), 0.5);
  EXPECT_TRUE(line.flag_given("causal"));
}

TEST_F(CommandLineFile, NamesConfigFileAndUnknownKey) {
  const std::string path = config_file("lenght=64\n");
  CommandLine line = sample();
  try {
    line.parse({"--config", path});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("lenght"), std::string::npos) << error.what();
  }
}

TEST_F(CommandLineFile, RefusesLinesOfAConfigFileThatWouldBePassedOver) {
  for (const auto& [text, error] : {
           std::pair("causal=\n", "--causal: '' is not allowed; expected a value"),
           std::pair("rate =  # none\n", "--rate: '' is not allowed; expected a value"),
           std::pair("[length]\n",
                     "'[length]' is not allowed; expected one name=value a line, "
                     "without sections"),
           std::pair("rate=1\n \t[]\r\n",
                     "'[]' is not allowed; expected one name=value a line, "
                     "without sections"),
           std::pair("config=other.cfg\n",
                     "option 'config' is not allowed; expected it on the command line alone"),
           std::pair("help=1\n",
                     "option 'help' is not allowed; expected it on the command line alone"),
           std::pair("length=1\nlength=1\n", "option 'length' cannot be specified more than once"),
       }) {
    const std::string path = config_file(text);
    CommandLine line = sample();
    try {
      line.parse({"--config", path});
      ADD_FAILURE() << text;
    } catch (const UsageError& refused) {
      EXPECT_EQ(refused.what(), "--config: '" + path + "': " + error);
    }
  }
}

TEST_F(CommandLineFile, RefusesValuesThatAreNoUtf8) {
  const std::string path = config_file("# caf\xe9\nlength=caf\xe9\n");
  for (const auto& [arguments, error] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--length=\xe9"}, "--length: '\xe9' is not allowed; expected text in UTF-8"},
           {{"\xc0\xaf"}, "--file: '\xc0\xaf' is not allowed; expected text in UTF-8"},
           {{"--config", path}, "--length: 'caf\xe9' is not allowed; expected text in UTF-8"},
           {{"--", "\xff"}, "'\xff' behind -- is not allowed; expected text in UTF-8"}}) {
    CommandLine line = sample();
    try {
      line.parse(arguments);
      ADD_FAILURE() << error;
    } catch (const UsageError& refused) {
      EXPECT_EQ(refused.what(), error);
    }
  }
  const std::string comment = config_file("# caf\xe9\nrate=caf\xc3\xa9\n");
  CommandLine line = sample();
  EXPECT_TRUE(line.parse({"--config", comment}));
  EXPECT_EQ(line.text("rate"), "caf\xc3\xa9");
}

TEST(CommandLine, RefusesAConfigThatIsNoRegularFile) {
  for (const std::string& path : {testing::TempDir(), std::string("/dev/null")}) {
    CommandLine line = sample();
    try {
      line.parse({"--config", path});
      FAIL() << path;
    } catch (const UsageError& error) {
      EXPECT_EQ(error.what(), "--config: " + path + ": is not a regular file");
    }
  }
}

TEST(CommandLine, RefusesWhatACommandHasNobodyToPassOnTo) {
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--length", "1", "--"}));
  EXPECT_NO_THROW(line.refuse_passed_on());
  ASSERT_TRUE(line.parse({"--", "--fast"}));
  try {
    line.refuse_passed_on();
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "sample takes nothing behind --, got '--fast'");
  }
}

TEST(CommandLine, TakesOneNameOfThoseAllowed) {
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--length", "long"}));
  EXPECT_EQ(line.name("length", {"short", "long"}), "long");
  try {
    line.name("length", {"short", "middling"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "--length: 'long' is not allowed; expected one of short, middling");
  }
}

TEST(CommandLine, RefusesWhatWasGivenAndNoDefault) {
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--rate", "0.1"}));
  EXPECT_NO_THROW(line.refuse_given({"length"}, "nothing"));
  try {
    line.refuse_given({"length", "rate"}, "nothing beside --causal");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "--rate: '0.1' is not allowed; expected nothing beside --causal");
  }
}

TEST(Join, PutsTheSeparatorBetweenWords) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b", ""}), "a, b, ");
  EXPECT_EQ(join({"", "b"}, ","), ",b");
}

TEST(CommandLine, RecordsTheEffectiveValues) {
  CommandLine line = sample();
  ASSERT_TRUE(line.parse({"--rate", "0.1"}));
  const auto effective = line.effective();
  ASSERT_EQ(effective.size(), 3u);
  EXPECT_EQ(effective[0], (std::pair<std::string, std::string>{"length", "512"}));
  EXPECT_EQ(effective[1], (std::pair<std::string, std::string>{"rate", "0.1"}));
  EXPECT_EQ(effective[2], (std::pair<std::string, std::string>{"causal", "false"}));
}

}  // namespace
}  // namespace seqbench
