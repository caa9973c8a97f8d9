// `seqbench attend`: what a small model trained on the grammar reads in a sentence.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Columns of the command's files, which plots and tests read.
extern const std::vector<std::string> kAttentionColumns;
extern const std::vector<std::string> kInterventionColumns;

/// Trains or loads models, shows where their attention lies in the sentences, and measures what
/// hiding a word costs. Returns the exit code. Throws UsageError, FileError, Interrupted.
int attend_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
