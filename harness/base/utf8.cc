#include "harness/base/utf8.h"

#include <boost/locale/utf.hpp>
#include <cstdio>

namespace seqbench {
namespace {

namespace utf = boost::locale::utf;

/// Calls use(bytes, code) for every character, and with the code utf::illegal for every byte that
/// belongs to none.
template <typename Use>
void for_each_character(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const char* end = text.data();
    utf::code_point code = utf::utf_traits<char>::decode(end, text.data() + text.size());
    if (code == utf::illegal || code == utf::incomplete) {
      code = utf::illegal;
      end = text.data() + 1;
    }
    const auto bytes = static_cast<std::size_t>(end - text.data());
    use(text.substr(0, bytes), code);
    text.remove_prefix(bytes);
  }
}

/// C0, DEL and C1, of which some begin commands to a terminal.
bool is_control(utf::code_point code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

template <typename IsEscaped>
std::string escaped_where(std::string_view text, const IsEscaped& is_escaped) {
  std::string shown;
  for_each_character(text, [&](std::string_view bytes, utf::code_point code) {
    if (!is_escaped(code)) {
      shown += bytes;
      return;
    }
    for (const char byte : bytes) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02x", static_cast<unsigned char>(byte));
      shown += escape;
    }
  });
  return shown;
}

}  // namespace

bool is_utf8(std::string_view text) {
  bool valid = true;
  for_each_character(
      text, [&](std::string_view, utf::code_point code) { valid &= code != utf::illegal; });
  return valid;
}

std::string utf8_or_escaped(std::string_view text) {
  return escaped_where(text, [](utf::code_point code) { return code == utf::illegal; });
}

std::string printable(std::string_view text) {
  return escaped_where(
      text, [](utf::code_point code) { return code == utf::illegal || is_control(code); });
}

std::string readable(std::string_view text) {
  return escaped_where(text, [](utf::code_point code) {
    const bool is_layout = code == '\n' || code == '\t';
    return code == utf::illegal || (is_control(code) && !is_layout);
  });
}

}  // namespace seqbench
