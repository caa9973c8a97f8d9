#include "harness/base/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <cmath>
#include <iostream>
#include <sstream>

#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/base/utf8.h"

namespace po = boost::program_options;

namespace seqbench {
namespace {

/// Boost.Program_options writes what was given into its errors in the place of %value% and its
/// like, again and again without end where that is in what was given. Throws UsageError for such
/// text.
void refuse_placeholders(const std::string& text) {
  for (std::size_t start = text.find('%'); start != std::string::npos;) {
    const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", start + 1);
    if (end == std::string::npos) return;
    if (text[end] == '%' && end > start + 1) {
      throw UsageError("'" + text.substr(start, end + 1 - start) +
                       "' is not allowed in options; expected text without such a placeholder");
    }
    start = text.find('%', start + 1);
  }
}

/// Of a flag Boost reads an empty value as true. Throws UsageError.
void refuse_empty_values(const po::parsed_options& parsed) {
  for (const po::option& option : parsed.options) {
    if (!option.string_key.empty() && option.value == std::vector<std::string>{""}) {
      refuse_option(option.string_key, "", "a value");
    }
  }
}

/// The config file's text. Throws UsageError.
std::string read_config(const std::string& path) {
  try {
    const std::string text = read_file(path);
    refuse_placeholders(text);
    return text;
  } catch (const FileError& error) {
    throw UsageError(std::string("--config: ") + error.what());
  }
}

/// The options in a config file's text. Throws po::error, and UsageError for what Boost would pass
/// over: a section without options, an empty value of a flag, and options that a file cannot have.
po::parsed_options parse_config(const std::string& text, const po::options_description& options) {
  for (const std::string& line : split(text, '\n')) {
    if (const std::string content = trimmed(line); content.starts_with('[')) {
      throw UsageError("'" + content +
                       "' is not allowed; expected one name=value a line, without sections");
    }
  }
  std::istringstream stream(text);
  po::parsed_options parsed = po::parse_config_file(stream, options);
  for (const po::option& option : parsed.options) {
    if (option.string_key == "config" || option.string_key == "help") {
      throw UsageError("option '" + option.string_key +
                       "' is not allowed; expected it on the command line alone");
    }
  }
  refuse_empty_values(parsed);
  return parsed;
}

std::string compact(double value) {
  std::ostringstream stream;
  stream.imbue(std::locale::classic());
  stream << value;
  return stream.str();
}

template <typename Value>
void append_once(std::vector<Value>& values, const Value& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

}  // namespace

void refuse_option(const std::string& option, const std::string& value,
                   const std::string& expected) {
  throw UsageError("--" + option + ": '" + value + "' is not allowed; expected " + expected);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  if (text.empty() || text.back() == separator) parts.emplace_back();
  return parts;
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  std::string joined;
  for (std::size_t i = 0; i < words.size(); ++i) joined += (i == 0 ? "" : separator) + words[i];
  return joined;
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpaces = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

std::optional<Index> integer_within(const std::string& text, Index low, Index high) {
  Index value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) return std::nullopt;
  return value;
}

std::optional<double> number_within(const std::string& text, double low, double high) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !(value >= low && value <= high)) return std::nullopt;
  return value;
}

Index parse_integer(const std::string& option, const std::string& text, Index low, Index high) {
  if (const auto value = integer_within(text, low, high)) return *value;
  refuse_option(option, text,
                "an integer from " + std::to_string(low) + " to " + std::to_string(high));
}

double parse_number(const std::string& option, const std::string& text, double low, double high) {
  if (const auto value = number_within(text, low, high)) return *value;
  refuse_option(option, text, "a number from " + compact(low) + " to " + compact(high));
}

double parse_share(const std::string& option, const std::string& text, double low, double high) {
  const double scale = text.ends_with('%') ? 100 : 1;
  const std::string number = scale == 1 ? text : text.substr(0, text.size() - 1);
  if (const auto value = number_within(number, scale * low, scale * high)) return *value / scale;
  refuse_option(option, text,
                "a share from " + compact(100 * low) + "% to " + compact(100 * high) + "%");
}

std::vector<Index> parse_integer_list(const std::string& option, const std::string& text, Index low,
                                      Index high) {
  std::vector<Index> values;
  for (const std::string& part : split(text, ',')) {
    const std::size_t dots = part.find("..");
    if (dots == std::string::npos) {
      append_once(values, parse_integer(option, part, low, high));
      continue;
    }
    const Index first = parse_integer(option, part.substr(0, dots), std::max<Index>(low, 1), high);
    const Index last = parse_integer(option, part.substr(dots + 2), low, high);
    if (last < first) refuse_option(option, part, "a range whose end is not below its start");
    for (Index value = first; value <= last; value *= 2) append_once(values, value);
  }
  return values;
}

std::vector<double> parse_number_list(const std::string& option, const std::string& text,
                                      double low, double high) {
  std::vector<double> numbers;
  for (const std::string& part : split(text, ',')) {
    append_once(numbers, parse_number(option, part, low, high));
  }
  return numbers;
}

std::vector<std::string> parse_name_list(const std::string& option, const std::string& text,
                                         const std::vector<std::string>& allowed) {
  if (text == "all") return allowed;
  std::vector<std::string> names;
  for (const std::string& name : split(text, ',')) {
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      refuse_option(option, name, "one or more of " + join(allowed));
    }
    append_once(names, name);
  }
  return names;
}

double parse_bytes(const std::string& option, const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string number = text.substr(0, digits);
  std::string suffix = digits == std::string::npos ? "" : text.substr(digits);
  if (suffix.size() == 3 && suffix.ends_with("iB")) suffix.resize(1);
  const std::string powers = "KMGT";
  double factor = 1;
  double value = 0;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  if (suffix.size() == 1 && powers.find(suffix) != std::string::npos) {
    factor = std::pow(1024.0, double(powers.find(suffix) + 1));
  } else if (!suffix.empty()) {
    factor = 0;
  }
  if (error != std::errc() || stop != end || !(value * factor >= 1) || value * factor > 1e18) {
    refuse_option(option, text, "bytes such as 500M or 2GiB");
  }
  return value * factor;
}

struct CommandLine::Options {
  po::options_description shown{"Options", 100, 60};
  po::options_description hidden;
  po::positional_options_description positional;
  po::variables_map values;
};

CommandLine::CommandLine(std::string command, std::string usage, std::string summary,
                         std::string examples)
    : command_(std::move(command)),
      usage_(std::move(usage)),
      summary_(std::move(summary)),
      examples_(std::move(examples)),
      options_(std::make_unique<Options>()) {
  options_->shown.add_options()("help,h", "show this help");
}

CommandLine::CommandLine(const CommandLine& other)
    : command_(other.command_),
      usage_(other.usage_),
      summary_(other.summary_),
      examples_(other.examples_),
      options_(std::make_unique<Options>(*other.options_)),
      order_(other.order_),
      passed_on_(other.passed_on_) {}

CommandLine::CommandLine(CommandLine&&) noexcept = default;
CommandLine::~CommandLine() = default;

CommandLine& CommandLine::option(const std::string& name, const std::string& default_text,
                                 const std::string& help) {
  auto* value = po::value<std::string>();
  if (!default_text.empty()) value->default_value(default_text);
  options_->shown.add_options()(name.c_str(), value, help.c_str());
  order_.push_back(name);
  return *this;
}

CommandLine& CommandLine::flag(const std::string& name, const std::string& help) {
  options_->shown.add_options()(name.c_str(), po::bool_switch(), help.c_str());
  order_.push_back(name);
  return *this;
}

CommandLine& CommandLine::positional(const std::string& name, const std::string& help) {
  options_->hidden.add_options()(name.c_str(), po::value<std::string>(), help.c_str());
  options_->positional.add(name.c_str(), 1);
  order_.push_back(name);
  return *this;
}

bool CommandLine::parse(const std::vector<std::string>& arguments) {
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const std::vector<std::string> own(arguments.begin(), dashes);
  if (dashes != arguments.end()) passed_on_.assign(dashes + 1, arguments.end());

  for (const std::string& argument : own) refuse_placeholders(argument);

  po::options_description all;
  all.add(options_->shown).add(options_->hidden);
  // No abbreviations: a script must not change its meaning when an option is added.
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    const po::parsed_options parsed = po::command_line_parser(own)
                                          .options(all)
                                          .positional(options_->positional)
                                          .style(style)
                                          .run();
    refuse_empty_values(parsed);
    po::store(parsed, options_->values);
    if (options_->values.count("help") != 0) {
      std::cout << help();
      return false;
    }
    if (options_->values.count("config") != 0) {
      const std::string path = options_->values["config"].as<std::string>();
      const std::string text = read_config(path);
      try {
        po::store(parse_config(text, options_->shown), options_->values);
      } catch (const po::error& error) {
        throw UsageError("--config: '" + path + "': " + error.what());
      } catch (const UsageError& error) {
        throw UsageError("--config: '" + path + "': " + error.what());
      }
    }
    po::notify(options_->values);
  } catch (const po::error& error) {
    throw UsageError(std::string(error.what()) + " (see seqbench " + command_ + " --help)");
  }
  for (const auto& [name, value] : effective()) {
    if (!is_utf8(value)) refuse_option(name, value, "text in UTF-8");
  }
  for (const std::string& text : passed_on_) {
    if (!is_utf8(text)) {
      throw UsageError("'" + text + "' behind -- is not allowed; expected text in UTF-8");
    }
  }
  return true;
}

void CommandLine::refuse_passed_on() const {
  if (passed_on_.empty()) return;
  throw UsageError(command_ + " takes nothing behind --, got '" + passed_on_.front() + "'");
}

bool CommandLine::given(const std::string& name) const {
  return options_->values.count(name) != 0 && !options_->values[name].defaulted();
}

bool CommandLine::declares(const std::string& name) const {
  return std::ranges::find(order_, name) != order_.end();
}

bool CommandLine::flag_given(const std::string& name) const {
  return options_->values[name].as<bool>();
}

std::string CommandLine::text(const std::string& name) const {
  return options_->values.count(name) == 0 ? "" : options_->values[name].as<std::string>();
}

Index CommandLine::integer(const std::string& name, Index low, Index high) const {
  return parse_integer(name, text(name), low, high);
}

double CommandLine::number(const std::string& name, double low, double high) const {
  return parse_number(name, text(name), low, high);
}

std::vector<double> CommandLine::numbers(const std::string& name, double low, double high) const {
  return parse_number_list(name, text(name), low, high);
}

std::vector<Index> CommandLine::integers(const std::string& name, Index low, Index high) const {
  return parse_integer_list(name, text(name), low, high);
}

std::vector<std::string> CommandLine::names(const std::string& name,
                                            const std::vector<std::string>& allowed) const {
  return parse_name_list(name, text(name), allowed);
}

std::string CommandLine::name(const std::string& name,
                              const std::vector<std::string>& allowed) const {
  const auto found = std::ranges::find(allowed, text(name));
  if (found == allowed.end()) refuse_option(name, text(name), "one of " + join(allowed));
  return *found;
}

void CommandLine::refuse_given(const std::vector<std::string>& names,
                               const std::string& expected) const {
  for (const std::string& name : names) {
    if (given(name)) refuse_option(name, text(name), expected);
  }
}

std::vector<std::pair<std::string, std::string>> CommandLine::effective() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& name : order_) {
    if (options_->values.count(name) == 0) continue;
    const bool is_flag = options_->values[name].value().type() == typeid(bool);
    pairs.emplace_back(name, is_flag ? (flag_given(name) ? "true" : "false") : text(name));
  }
  return pairs;
}

std::string CommandLine::help() const {
  std::ostringstream stream;
  stream << "Usage: seqbench " << command_ << ' ' << usage_ << "\n\n"
         << summary_ << "\n\n"
         << options_->shown << "\nExamples:\n"
         << examples_;
  return stream.str();
}

}  // namespace seqbench
