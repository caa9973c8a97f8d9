#include "harness/server/server_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"

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

}  // namespace

ServerProcess::ServerProcess(std::string program, const std::vector<std::string>& options)
    : program_(std::move(program)) {
  std::signal(SIGPIPE, SIG_IGN);  // a process that has ended is told by its answer's end
  Pipe requests = make_pipe(), answers = make_pipe();
  std::vector<std::string> words = {program_, "repeat"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, requests.read, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, answers.write, STDOUT_FILENO);
  const int error =
      ::posix_spawn(&process_, program_.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    process_ = -1;
    throw FileError("'" + program_ + "' cannot be run: " + std::strerror(error));
  }
  requests_ = std::move(requests.write);
  answers_ = std::move(answers.read);
}

ServerProcess::~ServerProcess() {
  requests_ = FileDescriptor(-1);  // the end of its input
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
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
  stop_if_interrupted();  // Ctrl-C reaches these processes too
  throw FileError("'" + program_ + "' ended on " + during +
                  "; expected a build of seqbench that has the command repeat and these options");
}

}  // namespace seqbench
