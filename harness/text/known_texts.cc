#include "harness/text/known_texts.h"

#include <algorithm>

#include "harness/base/command_line.h"

namespace seqbench {
namespace {

const KnownText* known_text(const std::string& name) {
  const auto found = std::ranges::find(known_texts(), name, &KnownText::name);
  return found == known_texts().end() ? nullptr : &*found;
}

}  // namespace

const std::vector<KnownText>& known_texts() {
  static const std::vector<KnownText> texts = {
      {.name = "bible",
       .source =
           "the King James Bible as Debian's bible-kjv 4.38 prints it: bible -f ge1:1-re22:21",
       .file = "texts/bible.txt",
       .bytes = 4404412,
       .sha256 = "cd45f0c9cedab8e4439bd6486c8952c77cc8b0ecc5d1f6ae3513f2039f47229d"},
  };
  return texts;
}

std::filesystem::path text_path(const std::string& text) {
  const KnownText* const known = known_text(text);
  if (known == nullptr) return text;
  std::error_code ignored;
  if (!std::filesystem::exists(known->file, ignored)) {
    refuse_option("text", text,
                  "a file, or " + known->file.string() +
                      " below this folder, which scripts/bootstrap --text makes");
  }
  return known->file;
}

void require_known_sum(const std::string& text, const std::string& sha256) {
  const KnownText* const known = known_text(text);
  if (known == nullptr || known->sha256 == sha256) return;
  refuse_option("text", text,
                known->file.string() + " to be of sha256 " + known->sha256 + ", not " + sha256 +
                    ": " + known->source + ", " + std::to_string(known->bytes) + " bytes");
}

}  // namespace seqbench
