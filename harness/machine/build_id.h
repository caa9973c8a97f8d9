// Which program this is, told from every other by its content.
#pragma once

#include <string>

namespace seqbench {

/// The hash over the running program that the linker wrote into it (ELF note NT_GNU_BUILD_ID), in
/// hexadecimal; empty where there is none. Two builds of changed sources with one commit differ in
/// it.
std::string build_id();

}  // namespace seqbench
