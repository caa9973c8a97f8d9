// libFuzzer's entry of every target.
#include <cstddef>
#include <cstdint>

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  seqbench::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
