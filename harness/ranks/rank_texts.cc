#include "harness/ranks/rank_texts.h"

#include <cstdint>
#include <span>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

using Size = std::uint64_t;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

std::span<std::byte> bytes_of(std::string& text) {
  return std::as_writable_bytes(std::span<char>(text));
}

void send_text(Communicator& ranks, int to, const std::string& text) {
  const Size size = text.size();
  ranks.send(to, std::as_bytes(std::span(&size, 1)));
  ranks.send(to, bytes_of(text));
}

std::string receive_text(Communicator& ranks, int from) {
  Size size = 0;
  ranks.receive(from, std::as_writable_bytes(std::span(&size, 1)));
  std::string text(size, '\0');
  ranks.receive(from, bytes_of(text));
  return text;
}

// In front of what a rank states: whether it is a statement or what is wrong.
constexpr char kStatement = 'S', kProblem = 'P';

}  // namespace

std::vector<std::string> texts_of_all(Communicator& ranks, const std::string& own) {
  std::vector<std::string> texts = texts_at_first(ranks, own);
  texts.resize(std::size_t(ranks.size()));
  for (std::string& text : texts) text = text_of_first(ranks, text);
  return texts;
}

std::vector<std::string> texts_at_first(Communicator& ranks, const std::string& own) {
  if (ranks.rank() != 0) {
    send_text(ranks, 0, own);
    return {};
  }
  std::vector<std::string> texts = {own};
  for (int r = 1; r < ranks.size(); ++r) texts.push_back(receive_text(ranks, r));
  return texts;
}

std::string text_of_first(Communicator& ranks, const std::string& own) {
  Size size = own.size();
  ranks.broadcast(0, std::as_writable_bytes(std::span(&size, 1)));
  std::string text = own;
  text.resize(size);
  ranks.broadcast(0, bytes_of(text));
  return text;
}

void agree(Communicator& ranks, const std::function<std::string()>& statement,
           const std::function<std::string(const std::string& first, const std::string& other)>&
               differences) {
  std::string own;
  try {
    own = kStatement + statement();
  } catch (const UsageError& error) {
    own = kProblem + std::string(error.what());
  }
  const std::vector<std::string> all = texts_of_all(ranks, own);
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r].front() != kProblem) continue;
    throw UsageError((r == 0 ? "" : "rank " + std::to_string(r) + ": ") + all[r].substr(1));
  }
  for (std::size_t r = 1; r < all.size(); ++r) {
    if (all[r] == all.front()) continue;
    throw UsageError("rank " + std::to_string(r) + " differs from rank 0: " +
                     differences(all.front().substr(1), all[r].substr(1)) +
                     "; expected the same options and the same build on all ranks");
  }
}

}  // namespace seqbench
