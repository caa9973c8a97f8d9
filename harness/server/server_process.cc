#include "harness/server/server_process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

struct Pipe {
  FileDescriptor read{-1}, write{-1};
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw FileError(std::string("pipe: ") + std::strerror(errno));
  return {.read = FileDescriptor(ends[0]), .write = FileDescriptor(ends[1])};
}

/// CPUs for a process to come, in the system's form: between fork() and exec(), nothing may be
/// allocated.
class CpuSet {
 public:
  explicit CpuSet(const std::vector<int>& cpus)
      : room_(cpus.empty() ? 0 : static_cast<std::size_t>(std::ranges::max(cpus)) + 1),
        set_(room_ == 0 ? nullptr : CPU_ALLOC(room_)) {
    if (set_ == nullptr) return;
    CPU_ZERO_S(CPU_ALLOC_SIZE(room_), set_);
    for (const int cpu : cpus) {
      CPU_SET_S(static_cast<std::size_t>(cpu), CPU_ALLOC_SIZE(room_), set_);
    }
  }
  CpuSet(CpuSet&&) = delete;
  ~CpuSet() {
    if (set_ != nullptr) CPU_FREE(set_);
  }

  /// Lets the calling thread run on them, where the system does not refuse it.
  void apply() const noexcept {
    if (set_ != nullptr) ::sched_setaffinity(0, CPU_ALLOC_SIZE(room_), set_);
  }

 private:
  std::size_t room_;
  cpu_set_t* set_;
};

/// What a new process becomes; everything is made before fork().
struct Image {
  const char* program;
  char* const* words;
  int input, output;
  const CpuSet& cpus;
  pid_t parent;
};

/// Returns only where the program cannot be run, with the error's number.
int become(const Image& image) noexcept {
  // A parent that is killed closes no file of a repetition under way.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);                              // Ctrl-C is the parent's, which ends it
  if (::getppid() != image.parent) ::_exit(1);  // it has ended already
  image.cpus.apply();  // the calling thread may be pinned, which a new process inherits
  if (::dup2(image.input, STDIN_FILENO) < 0 || ::dup2(image.output, STDOUT_FILENO) < 0)
    return errno;
  ::execv(image.program, image.words);
  return errno;
}

/// Reads the number that a process wrote which could not become a program; 0 where it became one.
int read_error(int descriptor) {
  int error = 0;
  ssize_t count;
  do {
    count = ::read(descriptor, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : 0;
}

}  // namespace

ServerProcess::ServerProcess(std::string program, const std::vector<std::string>& options)
    : program_(std::move(program)) {
  std::signal(SIGPIPE, SIG_IGN);  // a process that has ended is told by its answer's end
  Pipe requests = make_pipe(), answers = make_pipe(), errors = make_pipe();
  std::vector<std::string> words = {program_, "repeat"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  const CpuSet cpus(affinity_mask());
  const Image image{.program = program_.c_str(),
                    .words = pointers.data(),
                    .input = requests.read,
                    .output = answers.write,
                    .cpus = cpus,
                    .parent = ::getpid()};
  process_ = ::fork();
  if (process_ == 0) {
    const int error = become(image);
    [[maybe_unused]] const ssize_t told = ::write(errors.write, &error, sizeof(error));
    ::_exit(1);
  }
  int error = process_ < 0 ? errno : 0;
  errors.write = FileDescriptor(-1);
  if (error == 0) error = read_error(errors.read);
  if (error != 0) {
    if (process_ > 0) reap();
    throw FileError("'" + program_ + "' cannot be run: " + std::strerror(error));
  }
  requests_ = std::move(requests.write);
  answers_ = std::move(answers.read);
}

ServerProcess::~ServerProcess() {
  requests_ = FileDescriptor(-1);  // the end of its input
  if (process_ > 0) reap();
}

std::string ServerProcess::reap() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit code " + std::to_string(WEXITSTATUS(status));
}

nlohmann::ordered_json ServerProcess::ask(const nlohmann::ordered_json& request) {
  stop_if_interrupted();
  const std::string text = request.dump() + "\n";
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t count = ::write(requests_, left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) tell_end(request.dump());
    left.remove_prefix(static_cast<std::size_t>(count));
  }
  const std::string line = read_line();
  if (line.empty()) tell_end(request.dump());
  auto answer = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    throw FileError("'" + program_ + "' answered '" + line + "'; expected a JSON object");
  }
  if (answer.contains("error")) {
    throw FileError("'" + program_ + "': " + answer.value("error", ""));
  }
  return answer;
}

std::string ServerProcess::read_line() {
  std::size_t end;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    char bytes[4096];
    const ssize_t count = ::read(answers_, bytes, sizeof(bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return "";
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

void ServerProcess::tell_end(const std::string& during) {
  stop_if_interrupted();
  requests_ = FileDescriptor(-1);
  const std::string how = process_ > 0 ? reap() : "an earlier error";
  throw ServerEnded("'" + program_ + "' ended with " + how + " on " + during +
                        "; expected a build of seqbench that has the command repeat and these "
                        "options",
                    how);
}

}  // namespace seqbench
