// unwind.cpp - finds the exception tables of a piece of code. The static libgcc of compilers on glibc 2.35 or newer
// asks glibc's _dl_find_object for them, the one symbol of ours that glibc 2.34 (RHEL 9) does not have. This takes its
// place, by the way that libgcc went before.
#include <dlfcn.h>
#include <link.h>

#include <cstdint>

#if defined(DLFO_STRUCT_HAS_EH_DBASE) && !DLFO_STRUCT_HAS_EH_DBASE  // x86-64, and dlfcn.h declares it

namespace {

struct Search {
  std::uintptr_t address;
  dl_find_object* result;
};

/** 1 if the address is in this library or program, which ends the walk. */
int look(dl_phdr_info* info, size_t, void* data) {
  const auto* search = static_cast<const Search*>(data);
  bool inside = false;
  void* tables = nullptr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& header = info->dlpi_phdr[i];
    const std::uintptr_t start = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && search->address - start < header.p_memsz) {
      inside = true;
      search->result->dlfo_map_start = reinterpret_cast<void*>(start);
      search->result->dlfo_map_end = reinterpret_cast<void*>(start + header.p_memsz);
    }
    if (header.p_type == PT_GNU_EH_FRAME) tables = reinterpret_cast<void*>(start);
  }
  if (!inside || tables == nullptr) return 0;
  search->result->dlfo_eh_frame = tables;
  return 1;
}

}  // namespace

// Hidden by exports.map: other libraries of the process keep glibc's.
extern "C" int _dl_find_object(void* address, dl_find_object* result) noexcept {
  *result = {};
  Search search{reinterpret_cast<std::uintptr_t>(address), result};
  return dl_iterate_phdr(look, &search) == 1 ? 0 : -1;
}

#endif
