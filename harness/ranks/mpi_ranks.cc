#include "harness/ranks/mpi_ranks.h"

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "harness/base/errors.h"
#include "harness/base/failure.h"
#include "harness/base/interrupt.h"
#include "harness/base/stopwatch.h"

namespace seqbench {
namespace {

void check(int code) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING + 1] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw RankLost("MPI: " + std::string(text, std::size_t(length)) +
                 "; what is finished is kept, a sweep goes on with --resume");
}

/// MPI counts in int.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

/// Looks around while a rank waits: makes room for other ranks on its CPU, and notices when it
/// waits in vain.
class Patience {
 public:
  explicit Patience(bool heeds_signals) : heeds_signals_(heeds_signals) {}

  void look_around() {
    std::this_thread::yield();
    const double seconds = waiting_.seconds();
    if (seconds > kSpinningSeconds) std::this_thread::sleep_for(kNap);
    if (!heeds_signals_ || pending_signal() == 0) return;
    // A pass that was under way ends by itself, and the command at its next safe point.
    if (signalled_at_ < 0) signalled_at_ = seconds;
    if (seconds - signalled_at_ < kGraceSeconds) return;
    throw RankLost(
        "ended while other ranks were waited for: one has died, or all were asked to "
        "end; what is finished is kept, a sweep goes on with --resume");
  }

 private:
  // Ranks that wait for rank 0's next order do so for seconds; a nap delays what follows by a
  // thousandth of the wait.
  static constexpr double kSpinningSeconds = 0.1;
  static constexpr std::chrono::microseconds kNap{50};
  // Open MPI's launcher leaves a second between SIGTERM and SIGKILL.
  static constexpr double kGraceSeconds = 0.3;

  bool heeds_signals_;
  Stopwatch waiting_;
  double signalled_at_ = -1;
};

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

 protected:
  double do_send(int to, std::span<const std::byte> bytes) override {
    Requests& sent = kept_copy(bytes);
    begin_send(to, sent.copy, sent);
    if (bytes.size() > kMostKept) finish(sent);
    return to == rank_ ? 0 : double(bytes.size());
  }

  void do_receive(int from, std::span<std::byte> bytes) override {
    begin_receive(from, bytes, received_);
    finish(received_);
  }

  double do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                           std::span<std::byte> received) override {
    begin_receive(from, received, begun_);
    begin_send(to, sent, begun_);
    return to == rank_ ? 0 : double(sent.size());
  }

  void do_wait() override { finish(begun_); }

  double do_broadcast(int root, std::span<std::byte> bytes) override {
    for (std::size_t first = 0; first < bytes.size(); first += kMostBytes) {
      const std::size_t count = std::min(kMostBytes, bytes.size() - first);
      received_.add(0);
      check(MPI_Ibcast(bytes.data() + first, int(count), MPI_BYTE, root, MPI_COMM_WORLD,
                       &received_.requests.back()));
      finish(received_, /*counts_bytes=*/false);
    }
    return rank_ == root ? double(size_ - 1) * double(bytes.size()) : 0;
  }

  void do_barrier() override {
    received_.add(0);
    check(MPI_Ibarrier(MPI_COMM_WORLD, &received_.requests.back()));
    finish(received_, /*counts_bytes=*/false);
  }

 private:
  /// What is under way. Vectors keep their memory, so that nothing is allocated in timed passes
  /// but the first.
  struct Requests {
    std::vector<MPI_Request> requests;
    std::vector<MPI_Status> statuses;
    std::vector<int> expected;  // bytes of each that is received, -1 of one that is sent
    std::vector<std::byte> copy;

    void add(int bytes) {
      requests.push_back(MPI_REQUEST_NULL);
      expected.push_back(bytes);
    }
  };

  // A larger message waits for its receiver; a copy of it would cost more than it gains.
  static constexpr std::size_t kMostKept = std::size_t{1} << 20;
  static constexpr int kTag = 0;

  static void begin_send(int to, std::span<const std::byte> bytes, Requests& requests) {
    for (std::size_t first = 0; first < bytes.size(); first += kMostBytes) {
      const std::size_t count = std::min(kMostBytes, bytes.size() - first);
      requests.add(-1);
      check(MPI_Isend(bytes.data() + first, int(count), MPI_BYTE, to, kTag, MPI_COMM_WORLD,
                      &requests.requests.back()));
    }
  }

  static void begin_receive(int from, std::span<std::byte> bytes, Requests& requests) {
    for (std::size_t first = 0; first < bytes.size(); first += kMostBytes) {
      const std::size_t count = std::min(kMostBytes, bytes.size() - first);
      requests.add(int(count));
      check(MPI_Irecv(bytes.data() + first, int(count), MPI_BYTE, from, kTag, MPI_COMM_WORLD,
                      &requests.requests.back()));
    }
  }

  /// A copy of what is sent, among those that were sent before and have not all arrived.
  Requests& kept_copy(std::span<const std::byte> bytes) {
    auto free = std::ranges::find_if(kept_, [](const auto& one) { return has_arrived(*one); });
    if (free == kept_.end()) {
      kept_.push_back(std::make_unique<Requests>());
      free = kept_.end() - 1;
    }
    (*free)->copy.assign(bytes.begin(), bytes.end());
    return **free;
  }

  static bool has_arrived(Requests& sent) {
    int is_done = 0;
    check(MPI_Testall(int(sent.requests.size()), sent.requests.data(), &is_done,
                      MPI_STATUSES_IGNORE));
    if (is_done == 0) return false;
    sent.requests.clear();
    sent.expected.clear();
    return true;
  }

  void finish(Requests& under_way, bool counts_bytes = true) const {
    constexpr int kTriesBetweenLooks = 200;
    const auto count = int(under_way.requests.size());
    under_way.statuses.resize(under_way.requests.size());
    Patience patience(rank_ == 0);
    for (int is_done = 0, tries = 1; is_done == 0; ++tries) {
      const int code =
          MPI_Testall(count, under_way.requests.data(), &is_done, under_way.statuses.data());
      if (code == MPI_ERR_IN_STATUS) {
        for (const MPI_Status& status : under_way.statuses) {
          if (status.MPI_ERROR != MPI_ERR_PENDING) check(status.MPI_ERROR);
        }
      }
      check(code);
      if (is_done == 0 && tries % kTriesBetweenLooks == 0) patience.look_around();
    }
    for (std::size_t i = 0; counts_bytes && i < under_way.statuses.size(); ++i) {
      check_size(under_way.statuses[i], under_way.expected[i]);
    }
    under_way.requests.clear();
    under_way.expected.clear();
  }

  void check_size(const MPI_Status& status, int expected) const {
    if (expected < 0) return;
    int came = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &came));
    if (came == expected) return;
    throw std::logic_error("rank " + std::to_string(rank_) + ": a message of " +
                           std::to_string(came) + " bytes came, expected " +
                           std::to_string(expected));
  }

  int rank_ = 0, size_ = 1;
  Requests begun_, received_;
  std::vector<std::unique_ptr<Requests>> kept_;
};

/// Drops what this process prints from now on.
void drop_output() {
  std::fflush(stdout);
  if (std::freopen("/dev/null", "w", stdout) == nullptr) std::fclose(stdout);
}

[[noreturn]] void end_all(int exit_code) {
  std::fflush(stdout);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::abort();  // MPI_Abort does not return
}

}  // namespace

bool has_mpi() { return true; }

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING + 1] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string whole(text, std::size_t(length));
  return whole.substr(0, whole.find_first_of(",\n"));
}

int run_as_rank(const std::function<int(Communicator&)>& body) {
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_FUNNELED) {
    throw UsageError("MPI cannot be started for a program with threads");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MpiCommunicator ranks;
  const bool is_first = ranks.rank() == 0;
  if (!is_first) drop_output();
  int code = 0;
  try {
    code = body(ranks);
  } catch (const UsageError&) {
    code = is_first ? tell_failure() : 0;
  } catch (const RankLost&) {
    end_all(is_first ? tell_failure() : 1);
  } catch (...) {
    code = tell_failure();
    if (!is_first || ranks.is_broken()) end_all(code);
  }
  MPI_Finalize();
  return is_first ? code : 0;
}

}  // namespace seqbench
