#include "harness/files/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "tests/harness/file_error.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using Path = std::filesystem::path;

using SafetensorsFile = FolderTest;

/// The bytes of a file with this header, of this stated length, and so many bytes of data.
std::string file_bytes(const std::string& header, std::size_t data_bytes, std::uint64_t length) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\0');
}

std::string file_bytes(const std::string& header, std::size_t data_bytes) {
  return file_bytes(header, data_bytes, header.size());
}

TensorFile parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "some.safetensors");
}

struct Malformed {
  std::string what;
  std::string bytes;
  std::vector<std::string> message;  // parts that the error must contain
};

std::string one_tensor(const std::string& description) { return "{\"a\":" + description + "}"; }

std::string two_tensors(const std::string& first, const std::string& second) {
  return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + first +
         R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + second + "}}";
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

const std::string kGood = R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})";

TEST(Safetensors, EveryMalformationHasItsError) {
  const std::vector<Malformed> table = {
      {"empty file", "", {"has 0 bytes", "8"}},
      {"length cut", "1234567", {"has 7 bytes"}},
      {"header length past the end", file_bytes("{}", 0, 3), {"length of 3", "holds, 2"}},
      {"header length of 2^64-1", file_bytes("{}", 0, UINT64_MAX), {"18446744073709551615"}},
      {"header over 100 MB",
       file_bytes(std::string(100'000'001, ' '), 0),
       {"100000001", "at most"}},
      {"empty header", file_bytes("", 0), {"begin with '{'"}},
      {"no JSON object", file_bytes("[]", 0), {"begin with '{'"}},
      {"JSON cut", file_bytes(R"({"a":{"dtype")", 0), {"not valid JSON", "byte 14"}},
      {"text after the JSON", file_bytes("{}x", 0), {"not valid JSON", "byte 3"}},
      {"bad UTF-8", file_bytes("{\"a\xff\":1}", 0), {"UTF-8", "byte 4"}},
      {"number of 1e999", file_bytes(one_tensor("1e999"), 0), {"number that is too large"}},
      {"deep nesting", file_bytes("{\"a\":" + std::string(1'000'000, '['), 0), {"nests deeper"}},
      {"deep objects", file_bytes(repeated("{\"a\":", 100'000), 0), {"nests deeper"}},
      {"name twice",
       file_bytes(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{}})", 4),
       {"\"a\" twice"}},
      {"field twice",
       file_bytes(one_tensor(R"({"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]})"),
                  4),
       {"\"dtype\" twice"}},
      {"metadata key twice",
       file_bytes(R"({"__metadata__":{"k":"1","k":"2"}})", 0),
       {"\"k\" twice"}},
      {"metadata no object", file_bytes(R"({"__metadata__":"k"})", 0), {"__metadata__", "object"}},
      {"metadata no string",
       file_bytes(R"({"__metadata__":{"k":5}})", 0),
       {"\"k\" is 5", "string"}},
      {"tensor no object", file_bytes(one_tensor("5"), 0), {"\"a\" is 5", "object"}},
      {"no dtype",
       file_bytes(one_tensor(R"({"shape":[],"data_offsets":[0,4]})"), 4),
       {"lacks", "dtype"}},
      {"no shape",
       file_bytes(one_tensor(R"({"dtype":"F32","data_offsets":[0,4]})"), 4),
       {"lacks", "shape"}},
      {"no offsets",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[]})"), 4),
       {"lacks", "data_offsets"}},
      {"unknown field",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1})"), 4),
       {"field \"x\"", "allowed"}},
      {"unknown dtype",
       file_bytes(one_tensor(R"({"dtype":"F31","shape":[],"data_offsets":[0,4]})"), 4),
       {"\"F31\"", "known are", "F32"}},
      {"dtype no string",
       file_bytes(one_tensor(R"({"dtype":32,"shape":[],"data_offsets":[0,4]})"), 4),
       {"dtype 32", "known are"}},
      {"negative size",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"), 4),
       {"shape [-1]", "integers from 0"}},
      {"size of 2^63",
       file_bytes(
           one_tensor(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]})"), 4),
       {"9223372036854775808", "2^63-1"}},
      {"size of 2^64",
       file_bytes(
           one_tensor(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]})"), 4),
       {"shape [1.8", "2^63-1"}},
      {"fractional size",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"), 4),
       {"shape [1.0]"}},
      {"shape no list",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":4,"data_offsets":[0,4]})"), 4),
       {"shape 4"}},
      {"product overflows",
       file_bytes(
           one_tensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})"),
           4),
       {"[4294967296, 4294967296]", "too many"}},
      {"product overflows before a zero",
       file_bytes(
           one_tensor(R"({"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]})"),
           0),
       {"too many"}},
      {"half bytes",
       file_bytes(one_tensor(R"({"dtype":"F4","shape":[3],"data_offsets":[0,1]})"), 1),
       {"F4", "whole number of bytes"}},
      {"offsets backwards",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[0],"data_offsets":[4,0]})"), 4),
       {"data_offsets [4, 0]"}},
      {"one offset",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[],"data_offsets":[4]})"), 4),
       {"data_offsets [4]"}},
      {"negative offset",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})"), 4),
       {"data_offsets [-4,0]"}},
      {"data cut", file_bytes(kGood, 11), {"\"a\"", "[0, 12]", "end <= 11"}},
      {"fewer bytes than the shape takes",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), 8),
       {"over 8 bytes", "[3]", "takes 12"}},
      {"more bytes than the shape takes",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})"), 8),
       {"over 8 bytes", "[1]", "takes 4"}},
      {"not starting at 0",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), 12),
       {"\"a\" begins at byte 4", "must be 0", "gap"}},
      {"gap",
       file_bytes(two_tensors("[0,8]", "[12,20]"), 20),
       {"\"b\"", "byte 12", "must be 8", "gap"}},
      {"overlap",
       file_bytes(two_tensors("[0,8]", "[4,12]"), 12),
       {"\"b\"", "byte 4", "must be 8", "overlap"}},
      {"same place",
       file_bytes(two_tensors("[0,8]", "[0,8]"), 8),
       {"byte 0", "must be 8", "overlap"}},
      {"bytes left over", file_bytes(kGood, 13), {"end at byte 12", "13"}},
      {"a long value",
       file_bytes(one_tensor(std::string("\"").append(1000, 'x').append("\"")), 0),
       {"xxx..., must be an object"}},
      {"control characters in a name",
       file_bytes("{\"\\u001b[2J\\n\":5}", 0),
       {R"(tensor "\u001b[2J\n" is 5)"}},
  };
  for (const Malformed& malformed : table) {
    const std::string message = error_of([&] { parse(malformed.bytes); });
    EXPECT_TRUE(message.starts_with("some.safetensors: ")) << malformed.what << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << malformed.what << ": " << message;
    EXPECT_LT(message.size(), 400u) << malformed.what;
    for (const std::string& part : malformed.message) {
      EXPECT_NE(message.find(part), std::string::npos)
          << malformed.what << ": '" << part << "' is not in: " << message;
    }
  }
}

TEST(Safetensors, EveryTruncationOfAGoodFileIsAnError) {
  const std::string good = file_bytes(kGood, 12);
  EXPECT_EQ(error_of([&] { parse(good); }), "");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(error_of([&] { parse(good.substr(0, length)); }), "") << length;
  }
}

TEST(Safetensors, EveryFlippedBitOfAHeaderIsUnderstoodOrAnError) {
  const std::string good = file_bytes(kGood, 12);
  for (std::size_t bit = 0; bit < 8 * (good.size() - 12); ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    error_of([&] { parse(flipped); });  // any other exception, or a sanitizer, fails the test
  }
}

TEST(Safetensors, ReadsValuesMetadataPaddingAndEmptyTensors) {
  const std::string header = R"({"b":{"dtype":"F32","shape":[1,2],"data_offsets":[6,14]},)"
                             R"("none":{"dtype":"F32","shape":[0,3],"data_offsets":[6,6]},)"
                             R"("half":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},)"
                             R"("__metadata__":{"model":"lstm"}}   )";
  std::string bytes = file_bytes(header, 14);
  const float values[] = {1.5f, -2.0f};
  std::memcpy(bytes.data() + bytes.size() - 8, values, 8);

  const TensorFile file = parse(bytes);
  EXPECT_EQ(file.required_metadata("model"), "lstm");
  const Tensor<float>& b = file.tensor("b", {1, 2});
  EXPECT_EQ(b[0], 1.5f);
  EXPECT_EQ(b[1], -2.0f);
  EXPECT_EQ(file.entries.at("none").values.size(), 0);
  EXPECT_EQ(file.entries.at("half").dtype, "F16");
}

TEST(Safetensors, ReadsBfloat16AsTheUpperHalvesOfFloats) {
  const std::string header = R"({"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}})";
  std::string bytes = file_bytes(header, 8);
  const std::uint16_t halves[4] = {0x3f80, 0xc049, 0x0000, 0x7f80};
  std::memcpy(bytes.data() + bytes.size() - 8, halves, 8);
  const TensorFile file = parse(bytes);
  EXPECT_EQ(file.dtype_of("a", {"F32", "BF16"}), "BF16");
  const Tensor<float>& values = file.tensor("a", {2, 2}, "BF16");
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -3.140625f);
  EXPECT_EQ(values[2], 0.0f);
  EXPECT_EQ(values[3], std::numeric_limits<float>::infinity());
  EXPECT_THROW(file.tensor("a", {2, 2}), FileError);
}

TEST(Safetensors, RequestsThatAFileCannotMeetNameWhatItHasAndWhatIsNeeded) {
  const TensorFile file =
      parse(file_bytes(R"({"x":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]},)"
                       R"("half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                       4));
  EXPECT_EQ(error_of([&] {
              file.tensor("dy", {kAnySize, 3});
            }),
            "some.safetensors: has no tensor \"dy\"; needed is one of shape [any, 3]");
  EXPECT_EQ(error_of([&] { file.tensor("half", {2}); }),
            "some.safetensors: tensor \"half\" has dtype F16; allowed is F32");
  EXPECT_EQ(error_of([&] {
              file.tensor("x", {2, 3});
            }),
            "some.safetensors: tensor \"x\" has shape [2, 0]; needed is [2, 3]");
  EXPECT_NE(error_of([&] { file.tensor("x", {2, kAnySize}); }), "");
  EXPECT_NE(error_of([&] { file.tensor("x", {2}); }), "");
  EXPECT_EQ(error_of([&] { file.required_metadata("model"); }),
            "some.safetensors: __metadata__ lacks the key \"model\"");
}

TEST(Safetensors, RefusesMetadataAndTensorsThatAReaderDoesNotKnow) {
  TensorFile file{.name = "some.safetensors", .metadata = {{"size", "7"}}, .entries = {}};
  file.entries["x"] = {};
  EXPECT_EQ(file.metadata_integer("size", 1, 7), 7);
  EXPECT_EQ(file.metadata_name("size", {"6", "7"}), "7");
  EXPECT_EQ(error_of([&] { file.metadata_integer("size", 1, 6); }),
            "some.safetensors: metadata \"size\" is \"7\"; allowed is an integer from 1 to 6");
  EXPECT_EQ(error_of([&] {
              file.metadata_name("size", {"5", "6"});
            }),
            "some.safetensors: metadata \"size\" is \"7\"; allowed is one of 5, 6");
  EXPECT_EQ(error_of([&] { file.metadata_name("size", {"6"}); }),
            "some.safetensors: metadata \"size\" is \"7\"; allowed is 6");
  EXPECT_EQ(error_of([&] { file.refuse_other_metadata({"size"}); }), "");
  EXPECT_EQ(error_of([&] {
              file.refuse_other_metadata({"sizes", "kind"});
            }),
            "some.safetensors: metadata \"size\" is not allowed; allowed are sizes, kind");
  EXPECT_EQ(error_of([&] { file.refuse_other_tensors({"x", "y"}, "x and y"); }), "");
  EXPECT_EQ(error_of([&] { file.refuse_other_tensors({"y"}, "y alone"); }),
            "some.safetensors: tensor \"x\" is not allowed; allowed are y alone");
  file.metadata["format"] = "pt";
  EXPECT_EQ(error_of([&] { file.refuse_other_metadata({"size"}); }), "");
  file.metadata["format"] = "tf";
  EXPECT_EQ(error_of([&] { file.refuse_other_metadata({"size"}); }),
            "some.safetensors: metadata \"format\" is \"tf\"; allowed is pt");
}

TEST_F(SafetensorsFile, ReadsBackWhatItWrote) {
  Tensor<float> matrix({2, 3}), vector({1}), empty({0});
  for (Index i = 0; i < 6; ++i) matrix[i] = 0.1f * float(i);
  vector[0] = -0.0f;
  const std::map<std::string, std::string> metadata = {{"model", "gru"}, {"note", "\"µ\"\n"}};
  const Path path = folder_ / "a.safetensors";
  write_safetensors(path, metadata, {{"m", &matrix}, {"empty", &empty}, {"a.v", &vector}});

  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata, metadata);
  EXPECT_EQ(file.entries.size(), 3u);
  EXPECT_EQ(std::memcmp(file.tensor("m", {2, 3}).data(), matrix.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file.tensor("a.v", {1}).data(), vector.data(), 4), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(SafetensorsFile, MayHoldNothing) {
  const Path path = folder_ / "a.safetensors";
  write_safetensors(path, {}, {});
  const TensorFile file = read_safetensors(path);
  EXPECT_TRUE(file.metadata.empty());
  EXPECT_TRUE(file.entries.empty());
}

TEST_F(SafetensorsFile, IsNeverWrittenOver) {
  const Path path = folder_ / "a.safetensors";
  std::ofstream(path) << "precious";
  const std::string message = error_of([&] { write_safetensors(path, {}, {}); });
  EXPECT_NE(message.find("a.safetensors: exists already"), std::string::npos) << message;
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
  std::filesystem::create_symlink("nowhere", folder_ / "link");
  EXPECT_NE(error_of([&] { write_safetensors(folder_ / "link", {}, {}); }), "");
}

TEST_F(SafetensorsFile, ThatCannotBeReadOrWrittenNamesPathAndCause) {
  const auto expect = [&](const std::string& message, const Path& path, const std::string& cause) {
    EXPECT_EQ(message, path.string() + ": " + cause);
  };
  const Path missing = folder_ / "missing" / "a.safetensors";
  const Path pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect(error_of([&] { read_safetensors(missing); }), missing,
         "cannot be opened: No such file or directory");
  expect(error_of([&] { read_safetensors(folder_); }), folder_, "is not a regular file");
  expect(error_of([&] { read_safetensors(pipe); }), pipe, "is not a regular file");
  expect(error_of([&] { write_safetensors(missing, {}, {}); }), missing,
         "cannot be written: No such file or directory");
}

}  // namespace
}  // namespace seqbench
