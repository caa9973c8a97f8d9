#include "harness/machine/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>

namespace seqbench {
namespace {

/// The notes of one segment: a header, the name and the content, each filled up to four bytes.
std::string build_id_in(const char* notes, std::size_t bytes) {
  const auto filled = [](std::size_t size) { return (size + 3) / 4 * 4; };
  std::string id;
  for (std::size_t offset = 0; offset + sizeof(ElfW(Nhdr)) <= bytes;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + offset, sizeof(note));
    const char* name = notes + offset + sizeof(note);
    const char* content = name + filled(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
        std::memcmp(name, "GNU", sizeof("GNU")) == 0) {
      for (std::size_t i = 0; i < note.n_descsz; ++i) {
        const auto byte = static_cast<std::uint8_t>(content[i]);
        for (const int digit : {byte >> 4, byte & 15}) id += "0123456789abcdef"[digit];
      }
    }
    offset += sizeof(note) + filled(note.n_namesz) + filled(note.n_descsz);
  }
  return id;
}

int take_from(dl_phdr_info* object, std::size_t, void* result) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const std::string id = build_id_in(
        reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr), segment.p_memsz);
    if (!id.empty()) *static_cast<std::string*>(result) = id;
  }
  return 1;  // the first object is the program itself: no more
}

}  // namespace

std::string build_id() {
  std::string id;
  ::dl_iterate_phdr(take_from, &id);
  return id;
}

}  // namespace seqbench
