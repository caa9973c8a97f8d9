// Preloaded into the program by tests (LD_PRELOAD): the Nth call of one kind on a file below one
// folder fails, or the process is killed in its midst; or calls on the affinity of threads fail.
//
//   SEQBENCH_FAULT_UNDER   the folder
//   SEQBENCH_FAULT_KIND    open, write, sync (fsync and fdatasync) or rename; or pin (all calls
//   that
//                          set an affinity), affinity (all that set or read one), or
//                          many-cpus (reading fails as on a kernel built for 8192 CPUs): these
//                          three have an errno and nothing else
//   SEQBENCH_FAULT_AT      N, counted from 1
//   SEQBENCH_FAULT_ERRNO   what the call fails with; 0: SIGKILL, a write after half of its bytes
//   SEQBENCH_FAULT_STAYS   1: all later calls of the kind fail too, as on a full disk
//   SEQBENCH_FAULT_MARK    a file that is created when the fault strikes

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

const char* setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_below_folder(const char* path) {
  const char* folder = setting("SEQBENCH_FAULT_UNDER");
  return *folder != '\0' && std::strncmp(path, folder, std::strlen(folder)) == 0;
}

bool is_below_folder(int file) {
  char link[64], path[PATH_MAX] = "";
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  return ::readlink(link, path, sizeof(path) - 1) > 0 && is_below_folder(path);
}

/// True when this call is to fail; errno says how.
template <typename File>
bool strikes(const char* kind, File file) {
  static std::atomic<int> calls{0};
  if (std::strcmp(kind, setting("SEQBENCH_FAULT_KIND")) != 0 || !is_below_folder(file))
    return false;
  const int call = ++calls, at = std::atoi(setting("SEQBENCH_FAULT_AT"));
  if (call < at || (call > at && *setting("SEQBENCH_FAULT_STAYS") != '1')) return false;
  ::syscall(SYS_openat, AT_FDCWD, setting("SEQBENCH_FAULT_MARK"), O_CREAT | O_WRONLY, 0666);
  errno = std::atoi(setting("SEQBENCH_FAULT_ERRNO"));
  return true;
}

void kill_instead_of_error() {
  if (errno == 0) ::kill(::getpid(), SIGKILL);
}

template <typename File>
bool fails(const char* kind, File file) {
  if (!strikes(kind, file)) return false;
  kill_instead_of_error();
  return true;
}

int open_or_fail(const char* path, int flags, mode_t mode) {
  if (fails("open", path)) return -1;
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

bool is_kind(const char* kind) { return std::strcmp(kind, setting("SEQBENCH_FAULT_KIND")) == 0; }

/// 0, or what setting an affinity fails with.
int refusal_of_pinning() {
  return is_kind("pin") || is_kind("affinity") ? std::atoi(setting("SEQBENCH_FAULT_ERRNO")) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_or_fail(path, flags, mode);
}

ssize_t write(int file, const void* bytes, std::size_t count) {
  if (strikes("write", file)) {
    if (errno == 0) ::syscall(SYS_write, file, bytes, count / 2);
    kill_instead_of_error();
    return -1;
  }
  return ::syscall(SYS_write, file, bytes, count);
}

int fsync(int file) {
  return fails("sync", file) ? -1 : static_cast<int>(::syscall(SYS_fsync, file));
}

int fdatasync(int file) {
  return fails("sync", file) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, file));
}

int rename(const char* from, const char* to) noexcept {
  return fails("rename", to) ? -1 : static_cast<int>(::syscall(SYS_rename, from, to));
}

int pthread_setaffinity_np(pthread_t thread, std::size_t bytes, const cpu_set_t* set) noexcept {
  if (const int error = refusal_of_pinning(); error != 0) return error;
  if (!::pthread_equal(thread, ::pthread_self())) return ENOSYS;  // its number is not known here
  return ::syscall(SYS_sched_setaffinity, 0, bytes, set) < 0 ? errno : 0;
}

int sched_setaffinity(pid_t process, std::size_t bytes, const cpu_set_t* set) noexcept {
  if ((errno = refusal_of_pinning()) != 0) return -1;
  return static_cast<int>(::syscall(SYS_sched_setaffinity, process, bytes, set));
}

int sched_getaffinity(pid_t process, std::size_t bytes, cpu_set_t* set) noexcept {
  if (is_kind("affinity")) {
    errno = std::atoi(setting("SEQBENCH_FAULT_ERRNO"));
    return -1;
  }
  if (is_kind("many-cpus") && bytes < 8192 / 8) {
    errno = EINVAL;
    return -1;
  }
  std::memset(set, 0, bytes);
  return ::syscall(SYS_sched_getaffinity, process, bytes, set) < 0 ? -1 : 0;
}

}  // extern "C"
