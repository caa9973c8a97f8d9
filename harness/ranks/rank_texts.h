// Texts that ranks send each other beside what is timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/ranks/communicator.h"

namespace seqbench {

/// Every rank's text, on every rank, in the order of the ranks. All ranks call it.
std::vector<std::string> texts_of_all(Communicator& ranks, const std::string& own);

/// Every rank's text on rank 0, nothing on the others. All ranks call it.
std::vector<std::string> texts_at_first(Communicator& ranks, const std::string& own);

/// Rank 0's text, on every rank. All ranks call it.
std::string text_of_first(Communicator& ranks, const std::string& own);

/// What all ranks must say alike: each calls `statement`. Throws UsageError on every rank, with the
/// same words, when it throws one on some rank, or when a rank's statement is not rank 0's; then
/// `differences` tells what it has in place of rank 0's.
void agree(Communicator& ranks, const std::function<std::string()>& statement,
           const std::function<std::string(const std::string& first, const std::string& other)>&
               differences);

}  // namespace seqbench
