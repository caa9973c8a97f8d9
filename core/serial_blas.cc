// Makes a serial OpenBLAS safe to call from several threads at once.
//
// Built with USE_THREAD=0 and without USE_LOCKING, as Debian's serial flavour is, OpenBLAS hands
// out its packing buffers from a table that nothing guards: now and then two threads get the same
// buffer and one of the products is wrong (OpenBLAS issues 1761, 2126, 2164). The linker's --wrap
// (cmake/SerialBlas.cmake) sends both of the table's functions through this lock. It is held for
// some 20 ns a product.
#if defined(SEQBENCH_LOCK_BLAS_BUFFERS)
#include <mutex>

namespace {
std::mutex buffers_lock;  // guards OpenBLAS's global table, so it is global too
}

extern "C" {
void* __real_blas_memory_alloc(int position);
void __real_blas_memory_free(void* buffer);

void* __wrap_blas_memory_alloc(int position) {
  const std::lock_guard<std::mutex> lock(buffers_lock);
  return __real_blas_memory_alloc(position);
}

void __wrap_blas_memory_free(void* buffer) {
  const std::lock_guard<std::mutex> lock(buffers_lock);
  __real_blas_memory_free(buffer);
}
}
#endif
