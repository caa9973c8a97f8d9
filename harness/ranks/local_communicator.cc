#include "harness/ranks/local_communicator.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace seqbench {
namespace {

using Message = std::vector<std::byte>;

/// What all ranks share.
class Post {
 public:
  explicit Post(int size) : size_(size), queues_(std::size_t(size) * std::size_t(size)) {}

  int size() const { return size_; }

  void put(int from, int to, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    queue(from, to).emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
  }

  Message take(int from, int to) {
    std::unique_lock lock(mutex_);
    std::deque<Message>& messages = queue(from, to);
    changed_.wait(lock, [&] { return !messages.empty() || is_over_; });
    if (messages.empty()) throw RankLost("another rank has ended");
    Message first = std::move(messages.front());
    messages.pop_front();
    return first;
  }

  void meet() {
    std::unique_lock lock(mutex_);
    const std::size_t meeting = meetings_;
    if (++waiting_ == size_) {
      waiting_ = 0;
      ++meetings_;
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [&] { return meetings_ != meeting || is_over_; });
    if (meetings_ == meeting) throw RankLost("another rank has ended");
  }

  /// Keeps the first of what ranks throw.
  void end_all(const std::exception_ptr& thrown) {
    const std::lock_guard lock(mutex_);
    if (!is_over_) thrown_ = thrown;
    is_over_ = true;
    changed_.notify_all();
  }
  const std::exception_ptr& thrown() const { return thrown_; }

 private:
  std::deque<Message>& queue(int from, int to) {
    return queues_[std::size_t(from) * std::size_t(size_) + std::size_t(to)];
  }

  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<Message>> queues_;
  int waiting_ = 0;
  std::size_t meetings_ = 0;
  bool is_over_ = false;
  std::exception_ptr thrown_;
};

class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(Post& post, int rank) : post_(post), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return post_.size(); }

 protected:
  double do_send(int to, std::span<const std::byte> bytes) override {
    post_.put(rank_, to, bytes);
    return to == rank_ ? 0 : double(bytes.size());
  }

  void do_receive(int from, std::span<std::byte> bytes) override {
    // What was begun before comes first.
    std::erase_if(begun_, [&](const Begun& one) {
      if (one.from == from) take(one);
      return one.from == from;
    });
    take({from, bytes});
  }

  double do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                           std::span<std::byte> received) override {
    begun_.push_back({from, received});
    return do_send(to, sent);
  }

  void do_wait() override {
    for (const Begun& one : begun_) take(one);
    begun_.clear();
  }

  void do_barrier() override { post_.meet(); }

 private:
  struct Begun {
    int from;
    std::span<std::byte> bytes;
  };

  void take(const Begun& one) {
    const Message message = post_.take(one.from, rank_);
    if (message.size() != one.bytes.size()) {
      throw std::logic_error("rank " + std::to_string(rank_) + ": a message of " +
                             std::to_string(message.size()) + " bytes came, expected " +
                             std::to_string(one.bytes.size()));
    }
    std::ranges::copy(message, one.bytes.begin());
  }

  Post& post_;
  int rank_;
  std::vector<Begun> begun_;
};

}  // namespace

void run_local_ranks(int size, const std::function<void(Communicator&)>& body) {
  Post post(size);
  const auto run = [&](int rank) {
    try {
      LocalCommunicator communicator(post, rank);
      body(communicator);
    } catch (...) {
      post.end_all(std::current_exception());
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back(run, rank);
  for (std::thread& thread : threads) thread.join();
  if (post.thrown() != nullptr) std::rethrow_exception(post.thrown());
}

}  // namespace seqbench
