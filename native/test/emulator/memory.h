// memory.h - device memory of the emulator. In the strict mode only the emulated device's own work may touch its pages,
// so that host code which reads or writes device memory ends at once, as it would beside a GPU.
#pragma once
#include <cstddef>

namespace emulator {

bool strict();  // GATUN_EMULATOR_STRICT is set; it costs two system calls for each piece of work

void* take(size_t bytes);  // 256-byte aligned; null where there is no more
void give_back(void* memory);

// While one of these lives, device memory can be touched.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

}  // namespace emulator
