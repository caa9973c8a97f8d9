#include "harness/files/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "harness/base/command_line.h"
#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/files/json_names.h"

namespace seqbench {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "elements are copied as they are stored");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

/// Bits of an element, by the names the format gives to types.
struct Dtype {
  std::string_view name;
  Index bits;
};
constexpr std::array<Dtype, 22> kDtypes = {{
    {"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"U16", 16},    {"I16", 16},
    {"U32", 32},        {"I32", 32},        {"U64", 64},    {"I64", 64},    {"F16", 16},
    {"BF16", 16},       {"F32", 32},        {"F64", 64},    {"C64", 64},    {"F8_E4M3", 8},
    {"F8_E5M2", 8},     {"F8_E8M0", 8},     {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
    {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
}};

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw FileError(file + ": " + problem);
}

/// JSON in ASCII on one line, cut where it grows long: text from a file never reaches a terminal as
/// it is.
std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kLongest) text.replace(kLongest, std::string::npos, "...");
  return text;
}

std::string shape_text(const std::vector<Index>& shape) {
  std::string text;
  for (const Index size : shape) {
    text += (text.empty() ? "" : ", ") + (size == kAnySize ? "any" : std::to_string(size));
  }
  return "[" + text + "]";
}

/// The header's JSON. Refuses what a JSON library takes: names given twice, and nesting deeper than
/// the format's (header, tensor, shape), which hostile files use to exhaust a stack.
Json parse_header(std::string_view text, const std::string& file) {
  constexpr int kDeepest = 2;
  UniqueNames names;
  const auto check = [&](int depth, Json::parse_event_t event, const Json& parsed) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth > kDeepest) fail(file, "the header nests deeper than a tensor's shape");
    if (const auto repeated = names.repeated(event, parsed)) {
      fail(file, "the header has the name " + shown(*repeated) + " twice; names must be unique");
    }
    return true;
  };
  if (!text.starts_with('{')) fail(file, "the header must begin with '{' (is this safetensors?)");
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    fail(file,
         "the header is not valid JSON in UTF-8, wrong at its byte " + std::to_string(error.byte));
  } catch (const Json::out_of_range&) {
    fail(file, "the header has a number that is too large; sizes must be 0 to 2^63-1");
  }
}

std::map<std::string, std::string> parse_metadata(const Json& object, const std::string& file) {
  if (!object.is_object()) fail(file, "__metadata__ is " + shown(object) + ", must be an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) {
      fail(file, "metadata " + shown(key) + " is " + shown(value) + ", must be a string");
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// One tensor's description in the header, with its place in the data.
class EntryParser {
 public:
  EntryParser(const std::string& file, const std::string& tensor, const Json& description)
      : file_(file), tensor_(tensor), description_(description) {}

  struct Extent {
    Index begin, end;  // bytes of the data
  };

  TensorFile::Entry parse(std::span<const std::byte> data, Extent& extent) const {
    if (!description_.is_object()) fail_here("is " + shown(description_) + ", must be an object");
    for (const auto& [key, value] : description_.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail_here("has the field " + shown(key) + "; allowed are dtype, shape and data_offsets");
      }
    }
    TensorFile::Entry entry;
    const Dtype dtype = parse_dtype();
    entry.dtype = dtype.name;
    entry.shape = sizes("shape");
    extent = parse_extent(static_cast<Index>(data.size()));

    const Index bytes = byte_count(entry.shape, dtype);
    if (extent.end - extent.begin != bytes) {
      fail_here("has data_offsets over " + std::to_string(extent.end - extent.begin) +
                " bytes, but " + entry.dtype + " of shape " + shape_text(entry.shape) + " takes " +
                std::to_string(bytes));
    }
    const std::byte* const from = data.data() + extent.begin;
    if (entry.dtype == "F32") {
      entry.values = Tensor<float>(entry.shape);
      // An empty tensor's bytes may be a null pointer, which memcpy does not take.
      if (bytes > 0) std::memcpy(entry.values.data(), from, std::size_t(bytes));
    } else if (entry.dtype == "BF16") {
      entry.values = Tensor<float>(entry.shape);
      for (Index i = 0; i < entry.values.size(); ++i) {
        std::uint16_t upper;  // half of a float
        std::memcpy(&upper, from + 2 * i, sizeof(upper));
        entry.values[i] = std::bit_cast<float>(std::uint32_t{upper} << 16);
      }
    }
    return entry;
  }

 private:
  [[noreturn]] void fail_here(const std::string& problem) const {
    fail(file_, "tensor " + shown(tensor_) + " " + problem);
  }

  const Json& field(const char* key) const {
    const auto found = description_.find(key);
    if (found == description_.end()) {
      fail_here(std::string("lacks the field ") + key +
                "; dtype, shape and data_offsets are needed");
    }
    return *found;
  }

  Dtype parse_dtype() const {
    const Json& value = field("dtype");
    const auto known = std::ranges::find_if(
        kDtypes, [&](const Dtype& dtype) { return value.is_string() && value == dtype.name; });
    if (known != kDtypes.end()) return *known;
    std::string names;
    for (const Dtype& dtype : kDtypes) names.append(" ").append(dtype.name);
    fail_here("has dtype " + shown(value) + "; known are" + names);
  }

  std::vector<Index> sizes(const char* key) const {
    const Json& value = field(key);
    const auto is_size = [](const Json& number) {
      return number.is_number_unsigned() &&
             number.get<std::uint64_t>() <= std::uint64_t{PTRDIFF_MAX};
    };
    if (!value.is_array() || !std::ranges::all_of(value, is_size)) {
      fail_here(std::string("has ") + key + " " + shown(value) +
                "; it must be a list of integers from 0 to 2^63-1");
    }
    return value.get<std::vector<Index>>();
  }

  Extent parse_extent(Index data_bytes) const {
    const std::vector<Index> offsets = sizes("data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes) {
      fail_here("has data_offsets " + shape_text(offsets) +
                "; allowed is [begin, end], begin <= end <= " + std::to_string(data_bytes) +
                ", the bytes of data in the file (is it cut short?)");
    }
    return {offsets[0], offsets[1]};
  }

  Index byte_count(const std::vector<Index>& shape, Dtype dtype) const {
    Index bits = dtype.bits;
    for (const Index size : shape) {
      if (__builtin_mul_overflow(bits, size, &bits)) {
        fail_here("has shape " + shape_text(shape) + ", whose elements are too many to count");
      }
    }
    if (bits % 8 != 0) {
      fail_here("of " + std::string(dtype.name) + " has shape " + shape_text(shape) +
                ", which is no whole number of bytes");
    }
    return bits / 8;
  }

  const std::string& file_;
  const std::string& tensor_;
  const Json& description_;
};

struct PlacedName {
  EntryParser::Extent extent;
  std::string tensor;
};

/// Tensors must cover the data from its first byte to its last, each byte once.
void check_coverage(std::vector<PlacedName> placed, Index data_bytes, const std::string& file) {
  std::ranges::sort(placed, {},
                    [](const PlacedName& p) { return std::pair(p.extent.begin, p.extent.end); });
  Index covered = 0;
  for (const PlacedName& p : placed) {
    if (p.extent.begin != covered) {
      fail(file, "tensor " + shown(p.tensor) + " begins at byte " + std::to_string(p.extent.begin) +
                     " of the data, must be " + std::to_string(covered) +
                     ", where the one before it ends (" +
                     (p.extent.begin < covered ? "overlap" : "gap") + ")");
    }
    covered = p.extent.end;
  }
  if (covered != data_bytes) {
    fail(file, "the tensors end at byte " + std::to_string(covered) + " of the data, which has " +
                   std::to_string(data_bytes) + "; no bytes may follow them");
  }
}

std::string header_bytes(const std::map<std::string, std::string>& metadata,
                         const std::vector<NamedTensor>& tensors) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  Index offset = 0;
  for (const NamedTensor& tensor : tensors) {
    assert(!header.contains(tensor.name));
    const Index end = offset + tensor.values->bytes();
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.values->shape()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned in the file
  return text;
}

std::string_view chars_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

const std::string& TensorFile::dtype_of(const std::string& tensor_name,
                                        const std::vector<std::string>& allowed) const {
  const auto found = entries.find(tensor_name);
  if (found == entries.end()) {
    fail(name, "has no tensor " + shown(tensor_name));
  }
  const std::string& dtype = found->second.dtype;
  if (std::ranges::find(allowed, dtype) == allowed.end()) {
    fail(name, "tensor " + shown(tensor_name) + " has dtype " + dtype + "; allowed is " +
                   (allowed.size() > 1 ? "one of " : "") + join(allowed));
  }
  return dtype;
}

const Tensor<float>& TensorFile::tensor(const std::string& tensor_name,
                                        const std::vector<Index>& shape,
                                        const std::string& dtype) const {
  const auto found = entries.find(tensor_name);
  if (found == entries.end()) {
    fail(name,
         "has no tensor " + shown(tensor_name) + "; needed is one of shape " + shape_text(shape));
  }
  const Entry& entry = found->second;
  dtype_of(tensor_name, {dtype});
  const auto fits = [](Index actual, Index expected) {
    return expected == kAnySize ? actual >= 1 : actual == expected;
  };
  if (!std::ranges::equal(entry.shape, shape, fits)) {
    fail(name, "tensor " + shown(tensor_name) + " has shape " + shape_text(entry.shape) +
                   "; needed is " + shape_text(shape));
  }
  return entry.values;
}

const std::string& TensorFile::required_metadata(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(name, "__metadata__ lacks the key " + shown(key));
  return found->second;
}

const std::string& TensorFile::metadata_name(const std::string& key,
                                             const std::vector<std::string>& allowed) const {
  const std::string& value = required_metadata(key);
  if (std::ranges::find(allowed, value) == allowed.end()) {
    refuse_metadata(key, (allowed.size() > 1 ? "one of " : "") + join(allowed));
  }
  return value;
}

Index TensorFile::metadata_integer(const std::string& key, Index low, Index high) const {
  if (const auto value = integer_within(required_metadata(key), low, high)) return *value;
  refuse_metadata(key, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
}

void TensorFile::refuse_metadata(const std::string& key, const std::string& allowed) const {
  fail(name,
       "metadata " + shown(key) + " is " + shown(metadata.at(key)) + "; allowed is " + allowed);
}

void TensorFile::refuse_other_metadata(const std::vector<std::string>& known) const {
  if (metadata.contains("format")) metadata_name("format", {"pt"});
  for (const auto& [key, value] : metadata) {
    if (key == "format" || std::ranges::find(known, key) != known.end()) continue;
    fail(name, "metadata " + shown(key) + " is not allowed; allowed are " + join(known));
  }
}

void TensorFile::refuse_other_tensors(const std::vector<std::string>& known,
                                      const std::string& allowed) const {
  for (const auto& [tensor_name, entry] : entries) {
    if (std::ranges::find(known, tensor_name) != known.end()) continue;
    fail(name, "tensor " + shown(tensor_name) + " is not allowed; allowed are " + allowed);
  }
}

TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < kLengthBytes) {
    fail(name, "has " + std::to_string(bytes.size()) +
                   " bytes; a safetensors file begins with the 8 of its header's length");
  }
  std::uint64_t header_length;
  std::memcpy(&header_length, bytes.data(), kLengthBytes);
  const std::uint64_t longest =
      std::min<std::uint64_t>(kMaxHeaderBytes, bytes.size() - kLengthBytes);
  if (header_length > longest) {
    fail(name, "gives its header a length of " + std::to_string(header_length) +
                   " bytes; allowed are at most " + std::to_string(kMaxHeaderBytes) +
                   " and what the file holds, " + std::to_string(bytes.size() - kLengthBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              header_length);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header_length);

  TensorFile file{.name = name, .metadata = {}, .entries = {}};
  std::vector<PlacedName> placed;
  const Json header = parse_header(text, name);
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      file.metadata = parse_metadata(value, name);
      continue;
    }
    PlacedName& place = placed.emplace_back(PlacedName{{}, key});
    file.entries[key] = EntryParser(name, key, value).parse(data, place.extent);
  }
  check_coverage(std::move(placed), static_cast<Index>(data.size()), name);
  return file;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  try {
    const std::string bytes = read_file(path);
    return parse_safetensors(std::as_bytes(std::span(bytes)), file);
  } catch (const std::bad_alloc&) {
    fail(file, "its tensors do not fit into memory");
  }
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata,
                       const std::vector<NamedTensor>& tensors, Existing existing) {
  NewFile file(path, existing);
  const std::string header = header_bytes(metadata, tensors);
  const std::uint64_t header_length = header.size();
  file.write(chars_of(std::as_bytes(std::span(&header_length, 1))));
  file.write(header);
  for (const NamedTensor& tensor : tensors) {
    file.write(chars_of(std::as_bytes(tensor.values->values())));
  }
  file.commit();
}

}  // namespace seqbench
