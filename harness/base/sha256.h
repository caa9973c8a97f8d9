// SHA-256 (FIPS 180-4, sec. 6.2) of what arrives in pieces: by it a text is the same text.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace seqbench {

class Sha256 {
 public:
  void add(std::span<const char> bytes);
  /// Of all that was added, as 64 hexadecimal digits. Nothing may be added afterwards.
  std::string hex();

 private:
  void compress(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_ = {};  // not compressed yet
  std::size_t filled_ = 0;                   // of the block
  std::uint64_t bytes_ = 0;                  // added
};

}  // namespace seqbench
