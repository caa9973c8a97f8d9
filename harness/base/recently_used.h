// Things that are held as long as there is memory for them.
#pragma once

#include <algorithm>
#include <list>
#include <utility>

namespace seqbench {

/// Entries in the order in which they were used last.
template <typename Entry>
class RecentlyUsed {
 public:
  bool empty() const { return entries_.empty(); }

  /// The first entry of which `is` is true, now the one used last; null where there is none.
  template <typename Is>
  Entry* use(const Is& is) {
    const auto found = std::ranges::find_if(entries_, is);
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return &entries_.front();
  }

  /// It counts as used.
  Entry& add(Entry entry) {
    entries_.push_front(std::move(entry));
    return entries_.front();
  }

  /// Takes out the entry that was used longest ago. Not for none.
  Entry take_oldest() {
    Entry oldest = std::move(entries_.back());
    entries_.pop_back();
    return oldest;
  }

  /// Takes entries out, the oldest first, until those left and `bytes` more fit in `limit`, and
  /// gives each to `release`. An entry takes bytes_of(entry).
  template <typename BytesOf, typename Release>
  void make_room(double bytes, double limit, const BytesOf& bytes_of, const Release& release) {
    double all = bytes;
    for (const Entry& entry : entries_) all += bytes_of(entry);
    while (!empty() && all > limit) {
      all -= bytes_of(entries_.back());
      release(take_oldest());
    }
  }

  template <typename Is>
  void erase_if(const Is& is) {
    std::erase_if(entries_, is);
  }
  void clear() { entries_.clear(); }

 private:
  std::list<Entry> entries_;  // the one used last first
};

}  // namespace seqbench
