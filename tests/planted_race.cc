// Workers of a team that meet at the recurrent loop's barrier and then write one variable at the
// same time: preset `tsan` must report it.
#include <cstdio>

#include "core/spin_barrier.h"
#include "core/thread_team.h"

int main() {
  const seqbench::ThreadTeam team(2);
  seqbench::SpinBarrier barrier(2);
  long written = 0;
  team.on_every_worker([&](int worker) {
    barrier.wait();
    written += worker;
  });
  std::printf("%ld\n", written);
}
