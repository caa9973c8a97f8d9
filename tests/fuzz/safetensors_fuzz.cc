// Input: a file as it is when its first byte is even; else the header's JSON behind that byte, up
// to a zero byte, and the data, to which the target adds the right length. Either the file is
// understood, and is the same when written and read again, or the one error is a FileError.
#include <cstring>

#include "fuzz/input.h"
#include "harness/base/errors.h"
#include "harness/files/safetensors.h"

namespace seqbench {
namespace {

TensorFile parse(std::string_view bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "input");
}

std::string with_length(std::string_view text) {
  const std::string_view header = take_until(text, '\0');
  const std::uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes.append(header).append(text);
}

/// The F32 tensors come back as they are.
void check_round_trip(const TensorFile& file) {
  static const ScratchFolder folder;
  const std::filesystem::path path = folder.file("written");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : file.entries) {
    if (entry.dtype == "F32") tensors.push_back({name, &entry.values});
  }
  std::filesystem::remove(path);
  write_safetensors(path, file.metadata, tensors);
  const TensorFile again = read_safetensors(path);
  require(again.metadata == file.metadata, "metadata comes back");
  require(again.entries.size() == tensors.size(), "every tensor comes back");
  for (const NamedTensor& tensor : tensors) {
    const Tensor<float>& values = again.tensor(tensor.name, tensor.values->shape());
    require(
        tensor.values->size() == 0 || std::memcmp(values.data(), tensor.values->data(),
                                                  static_cast<std::size_t>(values.bytes())) == 0,
        "elements come back");
  }
}

}  // namespace

void run(std::string_view text) {
  if (text.empty()) return;
  const bool add_length = text.front() % 2 != 0;
  text.remove_prefix(1);
  try {
    check_round_trip(parse(add_length ? with_length(text) : std::string(text)));
  } catch (const FileError&) {
  }
}

}  // namespace seqbench
