// Reader and writer of .safetensors files (github.com/huggingface/safetensors):
//
//   8 bytes   N, the length of the header, little-endian
//   N bytes   JSON, {"__metadata__": {"key": "text", …}, "name": {"dtype": "F32",
//             "shape": [3, 7], "data_offsets": [begin, end]}, …}, padded with spaces
//   the rest  the tensors' elements, row-major, without gap or overlap; offsets count from here
//
// A file comes from anywhere: whatever is wrong with it is one FileError that names the file, the
// value and what is allowed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "harness/base/durable_file.h"

namespace seqbench {

/// Stands for any size ≥ 1 in the shape that TensorFile::tensor expects.
inline constexpr Index kAnySize = -1;

struct TensorFile {
  struct Entry {
    std::string dtype;
    std::vector<Index> shape;
    Tensor<float> values;  // empty unless dtype is F32 or BF16
  };

  std::string name;  // of the file, for errors
  std::map<std::string, std::string> metadata;
  std::map<std::string, Entry> entries;

  /// The tensor of that name. Throws FileError when it is missing, of another dtype or of another
  /// shape.
  const Tensor<float>& tensor(const std::string& tensor_name, const std::vector<Index>& shape,
                              const std::string& dtype = "F32") const;

  /// Of a tensor's type. Throws FileError when it is missing or none of `allowed`.
  const std::string& dtype_of(const std::string& tensor_name,
                              const std::vector<std::string>& allowed) const;

  /// The metadata's value of that key. Throws FileError when it is missing.
  const std::string& required_metadata(const std::string& key) const;
  /// The same, out of `allowed`. Throws FileError.
  const std::string& metadata_name(const std::string& key,
                                   const std::vector<std::string>& allowed) const;
  /// The same, an integer in [low, high]. Throws FileError.
  Index metadata_integer(const std::string& key, Index low, Index high) const;
  /// Throws FileError: "FILE: metadata "KEY" is "VALUE"; allowed is WHAT".
  [[noreturn]] void refuse_metadata(const std::string& key, const std::string& allowed) const;

  /// What a reader would pass over may change the meaning of the rest. Throw FileError for a key
  /// that is not `known`, but for "format" with the value "pt", which Hugging Face's libraries
  /// write; and for a tensor that is not `known`: `allowed` tells those in words.
  void refuse_other_metadata(const std::vector<std::string>& known) const;
  void refuse_other_tensors(const std::vector<std::string>& known,
                            const std::string& allowed) const;
};

/// Understands the bytes of a whole file; `name` stands for it in errors. Checks every entry, used
/// or not. Throws FileError.
TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

/// Reads and understands a file. Throws FileError.
TensorFile read_safetensors(const std::filesystem::path& path);

/// A tensor to be written; owns nothing.
struct NamedTensor {
  std::string name;
  const Tensor<float>* values;
};

/// Writes metadata and tensors, in the order given; `path` never holds half a file. Throws
/// FileError when `path` cannot be written, or exists already and is not to be replaced. Names must
/// be distinct.
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata,
                       const std::vector<NamedTensor>& tensors,
                       Existing existing = Existing::kRefuse);

}  // namespace seqbench
