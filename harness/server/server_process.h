// Another build of seqbench that takes single repetitions on request (`seqbench repeat`).
#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/durable_file.h"
#include "harness/base/errors.h"

namespace seqbench {

/// A process has ended on a request.
class ServerEnded : public FileError {
 public:
  ServerEnded(const std::string& what, std::string how) : FileError(what), how_(std::move(how)) {}
  /// "exit code 1" or "signal 9".
  const std::string& how() const { return how_; }

 private:
  std::string how_;
};

/// A process that answers requests (harness/commands/repeat.h); it ends with this object, and with
/// the thread that made it, however that ends. It may run on the CPUs that this process might.
class ServerProcess {
 public:
  /// Starts `program repeat OPTIONS`. Throws FileError when the program cannot be run.
  ServerProcess(std::string program, const std::vector<std::string>& options);
  ServerProcess(ServerProcess&&) = delete;
  ~ServerProcess();

  const std::string& program() const { return program_; }
  /// Throws ServerEnded when the program ends, FileError when it refuses the request; Interrupted.
  nlohmann::ordered_json ask(const nlohmann::ordered_json& request);

 private:
  std::string read_line();
  [[noreturn]] void tell_end(const std::string& during);
  /// Waits for its end. Returns how it ended.
  std::string reap();

  std::string program_;
  FileDescriptor requests_{-1}, answers_{-1};
  std::string buffer_;
  pid_t process_ = -1;
};

}  // namespace seqbench
