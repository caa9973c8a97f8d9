#include "harness/server/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "harness/base/errors.h"
#include "harness/files/csv.h"
#include "harness/server/protocol.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

// OpenMP's threads burn some 4 ms before they sleep (scripts/peer_runs/measuring.py).
constexpr std::chrono::milliseconds kPauseOfTeams{20};

}  // namespace

WorkerPool::WorkerPool(const Grid& grid, const MeasureOptions& options, std::string program)
    : words_(grid_words(grid)),
      program_(std::move(program)),
      memory_limit_bytes_(options.memory_limit_bytes),
      workers_(static_cast<std::size_t>(options.busy_processes())) {
  // Memory is this process's to share out; the cases above the limit were never asked for.
  words_.push_back("--min-time=" + CsvCell(options.min_seconds).text());
  words_.push_back("--seed=" + std::to_string(options.seed));
}

RemoteRepetition WorkerPool::take(const RemoteRequest& request) {
  Worker& worker = workers_[static_cast<std::size_t>(request.process) % workers_.size()];
  try {
    start(worker, request.process);
    return take_from(worker, request);
  } catch (const ServerEnded& error) {
    end(worker);
    return {.status = "failed",
            .reason = "process " + std::to_string(request.process) +
                      " of the repetitions ended with " + error.how() +
                      "; it may have been killed, for want of memory too: see the system's log, or "
                      "use --processes 1"};
  } catch (const FileError& error) {
    end(worker);
    return {.status = "failed", .reason = error.what()};
  }
}

RemoteRepetition WorkerPool::take_from(Worker& worker, const RemoteRequest& request) {
  const Case& one = request.the_case;
  if (const std::string problem = prepare(worker, one); !problem.empty()) {
    return {.status = "skipped", .reason = problem};
  }
  request.on_lap(Activity::kSetUp);
  if (last_ != &worker && last_was_a_team_) std::this_thread::sleep_for(kPauseOfTeams);
  last_ = &worker;
  last_was_a_team_ = one.threads > 1;
  request.on_lap(Activity::kElse);
  const RemoteRepetition taken =
      slow_periods_.taken_outside(one, [&] { return repeat(worker, request); });
  request.on_lap(Activity::kPasses);
  return taken;
}

RemoteRepetition WorkerPool::repeat(Worker& worker, const RemoteRequest& request) {
  Json ask = {{"do", "repeat"}, {"case", request.the_case.id()}};
  if (request.passes > 0) ask["passes"] = request.passes;
  const Json reply = worker.process->ask(ask);
  try {
    return {.sample = parse_sample(reply, "answer"), .passes = reply.at("passes").get<Index>()};
  } catch (const std::exception& error) {
    throw FileError(std::string("a process of the repetitions: ") + error.what());
  }
}

std::string WorkerPool::prepare(Worker& worker, const Case& one) {
  const std::string id = one.id();
  const auto is_it = [&](const Held& held) { return held.worker == &worker && held.id == id; };
  if (held_.use(is_it) != nullptr) return "";
  const double bytes = one.predicted_bytes();
  const Json ask = {{"do", "prepare"}, {"case", id}, {"again", true}};
  make_room_for(bytes);
  Json reply = worker.process->ask(ask);
  if (reply.at("status") != "ready") {
    release_held();  // memory can be refused below the limit
    reply = worker.process->ask(ask);
  }
  if (reply.at("status") != "ready") return reply.value("reason", "");
  held_.add({.worker = &worker, .id = id, .bytes = bytes});
  return "";
}

void WorkerPool::make_room_for(double bytes) {
  held_.make_room(
      bytes, memory_limit_bytes_, [](const Held& held) { return held.bytes; },
      [this](const Held& held) { release(held); });
}

void WorkerPool::release(const Held& held) {
  if (held.worker->process == nullptr) return;
  held.worker->process->ask({{"do", "release"}, {"case", held.id}});
}

void WorkerPool::release_all() {
  last_ = nullptr;
  last_was_a_team_ = true;
  release_held();
}

void WorkerPool::release_held() {
  while (!held_.empty()) {
    const Held oldest = held_.take_oldest();
    try {
      release(oldest);
    } catch (const FileError&) {
      end(*oldest.worker);  // its memory goes with it
    }
  }
}

void WorkerPool::start(Worker& worker, Index process) {
  if (worker.process != nullptr && worker.number == process) return;
  const bool is_first =
      std::ranges::all_of(workers_, [](const Worker& one) { return one.process == nullptr; });
  // A process finds out when it starts how much memory it may use.
  release_held();
  end(worker);
  worker.number = process;
  worker.process = std::make_unique<ServerProcess>(program_, words_);
  if (!is_first) return;
  for (std::size_t slot = 0; slot < workers_.size(); ++slot) {
    Worker& other = workers_[slot];
    if (&other == &worker) continue;
    other.number = static_cast<Index>(slot);
    other.process = std::make_unique<ServerProcess>(program_, words_);
  }
}

void WorkerPool::end(Worker& worker) {
  held_.erase_if([&](const Held& held) { return held.worker == &worker; });
  worker.process.reset();
}

OtherProcesses other_processes(WorkerPool& pool, const MeasureOptions& options) {
  const bool is_one = options.repetitions == 1 && options.precision <= 0;
  if (options.processes == 1 || is_one) return {};
  return {.repeat = [&pool](const RemoteRequest& request) { return pool.take(request); },
          .release = [&pool] { pool.release_all(); }};
}

}  // namespace seqbench
