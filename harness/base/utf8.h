// Text of options, files and the system may hold any bytes. What JSON, CSV and a terminal get is
// UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace seqbench {

/// False for overlong encodings, surrogates and code points above U+10FFFF, too.
bool is_utf8(std::string_view text);

/// The text with "\xe9" in the place of every byte that belongs to no character of UTF-8.
std::string utf8_or_escaped(std::string_view text);

/// The same with control characters escaped, too: one line that does nothing to a terminal.
std::string printable(std::string_view text);

/// The same, but line breaks and tabs stay: a text to be read.
std::string readable(std::string_view text);

}  // namespace seqbench
