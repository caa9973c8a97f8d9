// Standard input, output and errors: open before anything else is opened, and checked at the end.
#pragma once

#include <string>

namespace seqbench {

/// A program that is started without one of its three streams ("seqbench list >&-") would get that
/// number for the next file it opens, and print into it. Puts /dev/null there, in such a way that
/// what is printed fails instead of vanishing.
void open_missing_streams();

/// Writes out what has been printed so far, by std::cout and by printf. "" when all of it arrived,
/// else what went wrong ("No space left on device").
std::string flush_standard_output();

}  // namespace seqbench
