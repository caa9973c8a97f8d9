// Options of one command: declared once, read from the command line and a config file, and turned
// into checked values whose errors name the option, the value and what is allowed.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// Largest value of any integer option.
constexpr Index kLargestInteger = std::numeric_limits<std::int32_t>::max();

/// What stands between the separators; "" where nothing does.
std::vector<std::string> split(const std::string& text, char separator);

/// The words with the separator between them.
std::string join(const std::vector<std::string>& words, const std::string& separator = ", ");

/// Without the spaces, tabs and carriage returns around it.
std::string trimmed(const std::string& text);

/// Throws UsageError: "--OPTION: 'VALUE' is not allowed; expected WHAT".
[[noreturn]] void refuse_option(const std::string& option, const std::string& value,
                                const std::string& expected);

/// The integer in [low, high] that `text` spells, nothing when it spells none.
std::optional<Index> integer_within(const std::string& text, Index low, Index high);

/// The number in [low, high] that `text` spells, nothing when it spells none.
std::optional<double> number_within(const std::string& text, double low, double high);

/// An integer in [low, high]. Throws UsageError naming `option`.
Index parse_integer(const std::string& option, const std::string& text, Index low = 1,
                    Index high = kLargestInteger);

/// A finite number in [low, high]. Throws UsageError naming `option`.
double parse_number(const std::string& option, const std::string& text, double low, double high);

/// A share in [low, high], as a percentage such as "2%" or as a fraction of 1. Throws UsageError
/// naming `option`.
double parse_share(const std::string& option, const std::string& text, double low, double high);

/// Comma list of integers and doubling ranges: "1,64..512" is 1, 64, 128, 256, 512; the end of a
/// range is included when doubling reaches it exactly. In the order given, repeats dropped.
std::vector<Index> parse_integer_list(const std::string& option, const std::string& text,
                                      Index low = 1, Index high = kLargestInteger);

/// Comma list of finite numbers in [low, high], repeats dropped.
std::vector<double> parse_number_list(const std::string& option, const std::string& text,
                                      double low, double high);

/// Comma list of names out of `allowed`, repeats dropped; "all" stands for all of them.
std::vector<std::string> parse_name_list(const std::string& option, const std::string& text,
                                         const std::vector<std::string>& allowed);

/// Bytes with an optional suffix K, M, G, T or KiB, MiB, GiB, TiB (powers of 1024 both).
double parse_bytes(const std::string& option, const std::string& text);

class CommandLine {
 public:
  /// `usage` is the synopsis behind the command's name; `examples` are shown by --help.
  CommandLine(std::string command, std::string usage, std::string summary, std::string examples);
  CommandLine(const CommandLine& other);
  CommandLine(CommandLine&&) noexcept;
  ~CommandLine();

  /// An option with a value; an empty default means "not given".
  CommandLine& option(const std::string& name, const std::string& default_text,
                      const std::string& help);
  /// An option that is present or absent ("name=true" in a config file).
  CommandLine& flag(const std::string& name, const std::string& help);
  /// Accepts one positional argument called `name`.
  CommandLine& positional(const std::string& name, const std::string& help);

  /// Reads the arguments, then the file of --config (the command line wins). False when --help was
  /// asked for and printed. Throws UsageError, also for a config file that is no regular file or
  /// cannot be read, and for values that are no UTF-8, which the files of a run could not hold.
  bool parse(const std::vector<std::string>& arguments);

  /// True when the value came from the command line or the config file, not from the default.
  bool given(const std::string& name) const;
  /// Whether there is such an option.
  bool declares(const std::string& name) const;
  bool flag_given(const std::string& name) const;
  /// The text of an option; "" when it was not given and has no default.
  std::string text(const std::string& name) const;

  Index integer(const std::string& name, Index low = 1, Index high = kLargestInteger) const;
  double number(const std::string& name, double low, double high) const;
  std::vector<double> numbers(const std::string& name, double low, double high) const;
  std::vector<Index> integers(const std::string& name, Index low = 1,
                              Index high = kLargestInteger) const;
  std::vector<std::string> names(const std::string& name,
                                 const std::vector<std::string>& allowed) const;
  /// One name out of `allowed`.
  std::string name(const std::string& name, const std::vector<std::string>& allowed) const;
  /// Throws UsageError for the first of these options that was given.
  void refuse_given(const std::vector<std::string>& names, const std::string& expected) const;

  /// What followed `--`.
  const std::vector<std::string>& passed_on() const { return passed_on_; }
  /// For a command that has nobody to pass it on to. Throws UsageError when something followed.
  void refuse_passed_on() const;
  /// The effective value of every option, in order of declaration, for the record of a run.
  std::vector<std::pair<std::string, std::string>> effective() const;
  std::string help() const;

 private:
  std::string command_, usage_, summary_, examples_;
  struct Options;  // Boost.Program_options's part, whose headers are for command_line.cc alone
  std::unique_ptr<Options> options_;
  std::vector<std::string> order_;
  std::vector<std::string> passed_on_;
};

}  // namespace seqbench
