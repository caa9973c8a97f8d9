#include "harness/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>

#include "harness/errors.h"
#include "harness/machine.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMachineFile = "machine.json";

std::string formatted_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof(text), format, std::gmtime(&now));
  return text;
}

fs::path chosen_path(const CommandLine& line) {
  if (line.given("out")) return line.text("out");
  char host[64] = "host";
  ::gethostname(host, sizeof(host) - 1);
  return fs::path("results") / (formatted_time("%Y%m%d-%H%M%S-") + host);
}

}  // namespace

void add_output_options(CommandLine& line) {
  line.option("out", "", "folder for the files of this run (default: results/<time>-<host>/)");
  line.flag("resume", "go on with what an interrupted run left in the folder");
}

RunDirectory::RunDirectory(const CommandLine& line, const std::vector<std::string>& files)
    : resuming_(line.flag_given("resume")) {
  const fs::path chosen = chosen_path(line);
  std::error_code error;
  path_ = fs::weakly_canonical(fs::absolute(chosen), error);
  if (!path_.has_filename()) path_ = path_.parent_path();

  for (const std::string& name : files) {
    if (!resuming_ && fs::exists(path_ / name, error)) {
      throw UsageError("--out: '" + chosen.string() + "' already holds " + name +
                       "; expected another folder, or --resume");
    }
  }
  fs::create_directories(path_, error);
  if (error) {
    throw FileError("--out: '" + chosen.string() + "' cannot be created: " + error.message());
  }
  // Find out now, not after an hour of measuring.
  if (::access(path_.c_str(), W_OK | X_OK) != 0) {
    throw FileError("--out: '" + chosen.string() + "' cannot be written: " + std::strerror(errno));
  }

  if (std::ifstream file(path_ / kMachineFile); file) {
    machine_ = nlohmann::ordered_json::parse(file, nullptr, false);
  }
  if (!machine_.is_object()) machine_ = nlohmann::ordered_json::object();
}

void RunDirectory::record_command(const std::string& command, const CommandLine& line,
                                  const nlohmann::ordered_json& probes) {
  nlohmann::ordered_json commands = machine_.value("commands", nlohmann::ordered_json::array());
  const nlohmann::ordered_json earlier_probes = machine_.value("probes", nlohmann::ordered_json());
  nlohmann::ordered_json options = nlohmann::ordered_json::object();
  for (const auto& [name, value] : line.effective()) options[name] = value;
  commands.push_back({{"command", command}, {"options", options}, {"started", utc_now()}});

  machine_ = describe_machine();
  machine_["run_id"] = run_id();
  machine_["probes"] = probes.is_null() ? earlier_probes : probes;
  machine_["commands"] = commands;
  write_machine_json();
}

void RunDirectory::record_end(int exit_code) {
  machine_["commands"].back()["ended"] = utc_now();
  machine_["commands"].back()["exit_code"] = exit_code;
  write_machine_json();
}

void RunDirectory::write_machine_json() const {
  replace_file(path_ / kMachineFile, machine_.dump(2) + "\n");
}

void replace_file(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool written = file >= 0;
  for (std::size_t done = 0; written && done < text.size();) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    written = count > 0;
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  written = written && ::fsync(file) == 0;
  const int cause = errno;
  if (file >= 0) ::close(file);
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(written ? errno : cause);
    ::unlink(fresh.c_str());
    throw FileError(path.string() + ": cannot be written: " + reason);
  }
}

std::string utc_now() { return formatted_time("%Y-%m-%dT%H:%M:%SZ"); }

}  // namespace seqbench
