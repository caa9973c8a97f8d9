// Workers of a team that meet at the recurrent loop's barrier and then write one variable at the
// same time: preset `tsan` must report it. They do so again and again, since ThreadSanitizer misses
// some writes that fall on the same moment.
#include <cstdio>

#include "core/spin_barrier.h"
#include "core/thread_team.h"

int main() {
  const seqbench::ThreadTeam team(2);
  seqbench::SpinBarrier barrier(2);
  long written = 0;
  team.on_every_worker([&](int worker) {
    for (int time = 0; time < 100; ++time) {
      barrier.wait();
      written += worker;
    }
  });
  std::printf("%ld\n", written);
}
