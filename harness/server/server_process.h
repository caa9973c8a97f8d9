// Another build of seqbench that takes single repetitions on request (`seqbench repeat`).
#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/base/durable_file.h"

namespace seqbench {

/// A process that answers requests (harness/commands/repeat.h); it ends with this object.
class ServerProcess {
 public:
  /// Starts `program repeat OPTIONS`. Throws FileError when the program cannot be run.
  ServerProcess(std::string program, const std::vector<std::string>& options);
  ServerProcess(ServerProcess&&) = delete;
  ~ServerProcess();

  const std::string& program() const { return program_; }
  /// Throws FileError when the program ends or refuses the request; Interrupted.
  nlohmann::ordered_json ask(const nlohmann::ordered_json& request);

 private:
  std::string read_line();
  [[noreturn]] void tell_end(const std::string& during);

  std::string program_;
  FileDescriptor requests_{-1}, answers_{-1};
  std::string buffer_;
  pid_t process_ = -1;
};

}  // namespace seqbench
