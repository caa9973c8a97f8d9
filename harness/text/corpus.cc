#include "harness/text/corpus.h"

#include <algorithm>
#include <numeric>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/sha256.h"

namespace seqbench {
namespace {

constexpr Index kPiece = 1 << 20;            // bytes read at a time
constexpr std::size_t kMostByDefault = 256;  // characters of an alphabet that nobody asked for
constexpr std::size_t kMostCharacters = 1 << 16;

/// Calls use(piece) for the bytes [first, end) in order.
template <typename Use>
void for_each_piece(const TextFile& file, Index first, Index end, const Use& use) {
  std::string piece;
  for (; first < end; first += Index(piece.size())) {
    piece.resize(static_cast<std::size_t>(std::min(kPiece, end - first)));
    file.read(first, piece);
    use(std::string_view(piece));
  }
}

/// What reading all of the file tells.
struct Survey {
  std::string sha256;
  std::vector<char32_t> characters;  // none where it is no UTF-8
};

Survey survey(const TextFile& file) {
  Sha256 sum;
  AlphabetSurvey alphabet;
  for_each_piece(file, 0, file.bytes(), [&](std::string_view piece) {
    sum.add(piece);
    alphabet.add(piece);
  });
  Survey found{.sha256 = sum.hex(), .characters = {}};
  if (alphabet.is_utf8()) found.characters = alphabet.characters();
  return found;
}

Vocabulary chosen_vocabulary(const TextFile& file, const std::vector<char32_t>& characters,
                             std::optional<VocabularyKind> kind) {
  const bool few = !characters.empty() && characters.size() <= kMostByDefault;
  const VocabularyKind chosen =
      kind.value_or(few ? VocabularyKind::kCharacters : VocabularyKind::kBytes);
  if (chosen == VocabularyKind::kBytes) return {};
  if (characters.empty()) {
    refuse_option("vocabulary", "characters", "bytes, since '" + file.name() + "' is not UTF-8");
  }
  if (characters.size() > kMostCharacters) {
    refuse_option("vocabulary", "characters",
                  "bytes, since '" + file.name() + "' has " + std::to_string(characters.size()) +
                      " different characters, more than " + std::to_string(kMostCharacters));
  }
  return Vocabulary(characters);
}

}  // namespace

Corpus::Corpus(const std::filesystem::path& path, std::optional<VocabularyKind> kind)
    : file_(path) {
  const Survey found = survey(file_);
  sha256_ = found.sha256;
  vocabulary_ = chosen_vocabulary(file_, found.characters, kind);
  const Index cut = start_of_character(file_.bytes() * 9 / 10);
  training_ = {0, cut};
  validation_ = {cut, file_.bytes() - cut};
}

void Corpus::require_windows(Index steps) const {
  for (const Part part : {training_, validation_}) {
    if (count_tokens(part, steps + 1) > steps) continue;
    refuse_option("text", file_.name(),
                  "one with at least " + std::to_string(steps + 1) +
                      " tokens in its last tenth and before it: --length, and one");
  }
}

Index Corpus::count_tokens(Part part, Index most) const {
  if (part.count == 0) return 0;
  if (vocabulary_.longest() == 1) return std::min(part.count, most);
  const Index bytes = std::min(part.count, most * vocabulary_.longest());
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file_.read(part.first, text);
  std::vector<Token> tokens;
  vocabulary_.encode(text, static_cast<std::size_t>(most), tokens);
  return Index(tokens.size());
}

Index Corpus::start_of_character(Index byte) const {
  if (vocabulary_.longest() == 1) return byte;
  const Index first = std::max<Index>(0, byte - kLongestCharacter + 1);
  std::string text(static_cast<std::size_t>(byte - first + 1), '\0');
  file_.read(first, text);
  while (byte > first && !vocabulary_.is_start(text[static_cast<std::size_t>(byte - first)])) {
    --byte;
  }
  return byte;
}

Index Corpus::skip(Index first_byte, Index tokens, Index end) const {
  if (vocabulary_.longest() == 1) return std::min(first_byte + tokens, end);
  const Index bytes = std::min(end - first_byte, tokens * vocabulary_.longest());
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file_.read(first_byte, text);
  std::vector<Token> skipped;
  return first_byte + Index(vocabulary_.encode(text, static_cast<std::size_t>(tokens), skipped));
}

void Corpus::append_window(Index first_byte, Index steps, TaskBatch& batch) const {
  const auto wanted = static_cast<std::size_t>(steps + 1);
  const Index bytes = std::min(file_.bytes() - first_byte, Index(wanted) * vocabulary_.longest());
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file_.read(first_byte, text);
  const std::size_t before = batch.tokens.size();
  vocabulary_.encode(text, wanted, batch.tokens);
  if (batch.tokens.size() != before + wanted) {
    throw FileError(file_.name() + ": has changed while it was read: at byte " +
                    std::to_string(first_byte) + " is no text of the alphabet that it had");
  }
  const auto window = batch.tokens.begin() + std::ptrdiff_t(before);
  batch.targets.insert(batch.targets.end(), window + 1, batch.tokens.end());
  batch.tokens.pop_back();
}

namespace {

/// Every token is asked about.
void ask_everywhere(TaskBatch& batch) {
  batch.answer_rows.resize(batch.tokens.size());
  std::iota(batch.answer_rows.begin(), batch.answer_rows.end(), Index{0});
}

}  // namespace

void Corpus::draw_training(Random& random, SequenceShape shape, TaskBatch& batch) const {
  batch.start(shape);
  // From every place drawn T + 1 tokens fit, whatever they take.
  const Index places =
      std::max<Index>(1, training_.count - (shape.steps + 1) * vocabulary_.longest() + 1);
  for (Index b = 0; b < shape.batch; ++b) {
    append_window(start_of_character(training_.first + random.below(places)), shape.steps, batch);
  }
  ask_everywhere(batch);
}

Part Corpus::part_of_stream(Part whole, Index stream, Index streams) const {
  const EvenParts parts = EvenParts::into(whole.count, streams);
  const auto start = [&](Index k) {
    if (k == 0 || k == streams) return whole.first + (k == 0 ? 0 : whole.count);
    return std::max(whole.first, start_of_character(whole.first + parts[k].first));
  };
  return {start(stream), start(stream + 1) - start(stream)};
}

void Corpus::require_streams(SequenceShape shape) const {
  for (Index b = 0; b < shape.batch; ++b) {
    const Part part = part_of_stream(training_, b, shape.batch);
    if (count_tokens(part, shape.steps + 1) > shape.steps) continue;
    refuse_option("text", file_.name(),
                  join({"one with at least", std::to_string(shape.steps + 1), "tokens in each of",
                        std::to_string(shape.batch),
                        "equal parts of its first nine tenths: --stateful reads --batch parts in",
                        "windows of --length"},
                       " "));
  }
}

TextStreams Corpus::start_streams(Random& random, SequenceShape shape) const {
  TextStreams streams;
  streams.restarted.resize(static_cast<std::size_t>(shape.batch));
  for (Index b = 0; b < shape.batch; ++b) {
    const Part part = part_of_stream(training_, b, shape.batch);
    const Index places =
        std::max<Index>(1, part.count - (shape.steps + 1) * vocabulary_.longest() + 1);
    streams.places.push_back(
        std::max(part.first, start_of_character(part.first + Index(random.below(places)))));
  }
  return streams;
}

bool Corpus::has_streams_at(const std::vector<Index>& places, Index streams) const {
  if (Index(places.size()) != streams) return false;
  for (Index b = 0; b < streams; ++b) {
    const Part part = part_of_stream(training_, b, streams);
    const Index behind = places[static_cast<std::size_t>(b)] - part.first;
    if (behind < 0 || behind > part.count) return false;
  }
  return true;
}

void Corpus::read_segments(TextStreams& streams, SequenceShape shape, TaskBatch& batch) const {
  batch.start(shape);
  for (Index b = 0; b < shape.batch; ++b) {
    const auto stream = static_cast<std::size_t>(b);
    const Part part = part_of_stream(training_, b, shape.batch);
    const Index end = part.first + part.count;
    Index& place = streams.places[stream];
    const bool fits = count_tokens({place, end - place}, shape.steps + 1) > shape.steps;
    streams.restarted[stream] = !fits;
    if (!fits) place = part.first;
    append_window(place, shape.steps, batch);
    place = skip(place, shape.steps, end);
  }
  ask_everywhere(batch);
}

ValidationPlan Corpus::plan_validation(Index steps, Index sequences) const {
  ValidationPlan plan;
  const Index end = validation_.first + validation_.count;
  const Index behind_first = skip(validation_.first, 1, end);
  Index at = validation_.first;
  for (;;) {
    const Index behind = skip(at, steps, end);
    if (behind >= end) break;  // its last token has no successor
    const bool joins =
        !plan.batches.empty() && Index(plan.batches.back().starts.size()) < sequences;
    if (!joins) plan.batches.push_back({.starts = {}, .steps = steps});
    plan.batches.back().starts.push_back(at);
    plan.tokens += steps;
    at = behind;
  }
  // What does not fill a window.
  const Index rest = count_tokens({at, end - at}, steps + 1) - 1;
  if (rest > 0) {
    plan.batches.push_back({.starts = {at}, .steps = rest});
    plan.tokens += rest;
  }
  plan.bytes = end - behind_first;
  return plan;
}

ValidationPlan Corpus::plan_streams(Index steps, EvenParts slices) const {
  const Index end = validation_.first + validation_.count;
  const Part last_slice = slices[slices.count() - 1];
  ValidationPlan plan{.batches = {}, .streams = last_slice.first + last_slice.count};
  plan.bytes = end - skip(validation_.first, 1, end);
  std::vector<Part> left;  // to read, of each stream
  for (Index b = 0; b < plan.streams; ++b) {
    left.push_back(part_of_stream(validation_, b, plan.streams));
  }
  // Tokens of a stream's next window; the text's last token has no successor.
  const auto next_steps = [&](Index b) {
    const Part& part = left[static_cast<std::size_t>(b)];
    const Index asked = part.first + part.count == end ? 1 : 0;
    return std::clamp<Index>(count_tokens(part, steps + asked) - asked, 0, steps);
  };
  const auto take = [&](Part streams, Index of_each, Index round) {
    if (of_each == 0) return;
    plan.batches.push_back(
        {.starts = {}, .steps = of_each, .stream = streams.first, .round = round});
    for (Index b = streams.first; b < streams.first + streams.count; ++b) {
      Part& part = left[static_cast<std::size_t>(b)];
      plan.batches.back().starts.push_back(part.first);
      const Index behind = skip(part.first, of_each, end);
      part = {behind, part.first + part.count - behind};
    }
    plan.tokens += streams.count * of_each;
  };
  for (Index round = 0, taken = -1; taken < plan.tokens; ++round) {
    taken = plan.tokens;
    for (Index s = 0; s < slices.count(); ++s) {
      const Part slice = slices[s];
      std::vector<Index> of_each;
      for (Index b = slice.first; b < slice.first + slice.count; ++b) {
        of_each.push_back(next_steps(b));
      }
      if (std::ranges::min(of_each) == steps) {
        take(slice, steps, round);
        continue;
      }
      for (Index i = 0; i < slice.count; ++i) {
        take({slice.first + i, 1}, of_each[static_cast<std::size_t>(i)], round);
      }
    }
  }
  return plan;
}

void Corpus::read_validation(const ValidationPlan::Batch& windows, TaskBatch& batch) const {
  batch.start({.batch = Index(windows.starts.size()), .steps = windows.steps});
  for (const Index start : windows.starts) append_window(start, windows.steps, batch);
  ask_everywhere(batch);
}

}  // namespace seqbench
