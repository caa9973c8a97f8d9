# Finds the BLAS behind Eigen: target seqbench_blas.
#
# The project splits products over threads itself, so the BLAS must be serial. Debian installs the
# serial OpenBLAS beside the threaded ones; it is looked for by its own folder, not through the
# `libblas` alternative, which any other package may redirect. Its static library also keeps the
# measured BLAS the one that the build saw.
add_library(seqbench_blas INTERFACE)
set_target_properties(seqbench_blas PROPERTIES EXPORT_NAME blas)

if(SEQBENCH_BLAS STREQUAL "none")
  message(STATUS "BLAS: none (Eigen's own products)")
elseif(SEQBENCH_BLAS STREQUAL "auto")
  find_library(SEQBENCH_OPENBLAS_SERIAL NAMES libopenblas.a
    PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial /usr/lib64/openblas-serial
    NO_DEFAULT_PATH)
  if(SEQBENCH_OPENBLAS_SERIAL)
    set(blas_libraries ${SEQBENCH_OPENBLAS_SERIAL})
    # It is not safe to call from several threads by itself: see core/serial_blas.cc, which -u pulls
    # out of the library that holds it.
    target_compile_definitions(seqbench_blas INTERFACE SEQBENCH_LOCK_BLAS_BUFFERS)
    target_link_options(seqbench_blas INTERFACE
      -Wl,--wrap=blas_memory_alloc,--wrap=blas_memory_free,-u,__wrap_blas_memory_alloc)
  else()
    find_package(BLAS REQUIRED)
    set(blas_libraries ${BLAS_LIBRARIES})
  endif()
  message(STATUS "BLAS: ${blas_libraries}")
  target_link_libraries(seqbench_blas INTERFACE ${blas_libraries})
  target_compile_definitions(seqbench_blas INTERFACE EIGEN_USE_BLAS)

  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES ${blas_libraries})
  check_cxx_source_compiles(
    "extern \"C\" char* openblas_get_config(); int main() { return *openblas_get_config() == 0; }"
    SEQBENCH_BLAS_IS_OPENBLAS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(SEQBENCH_BLAS_IS_OPENBLAS)
    target_compile_definitions(seqbench_blas INTERFACE SEQBENCH_OPENBLAS)
  endif()
else()
  message(FATAL_ERROR "SEQBENCH_BLAS is '${SEQBENCH_BLAS}'; allowed: auto, none")
endif()
