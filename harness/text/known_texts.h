// Texts that everybody can have, and who has one has the same bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

struct KnownText {
  std::string name;            // for --text
  std::string source;          // where it comes from, and how it is printed
  std::filesystem::path file;  // below the working folder, as scripts/bootstrap --text writes it
  Index bytes = 0;
  std::string sha256;
};

const std::vector<KnownText>& known_texts();

/// The file that --text names: that of a known text, or the one of that name. Throws UsageError for
/// a known text whose file is not there.
std::filesystem::path text_path(const std::string& text);

/// Throws UsageError when --text names a known text and the file read is another.
void require_known_sum(const std::string& text, const std::string& sha256);

}  // namespace seqbench
