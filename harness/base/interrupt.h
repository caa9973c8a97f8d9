// Ctrl-C and SIGTERM: a command stops at the next safe point and keeps what it has finished.
#pragma once

namespace seqbench {

/// Thrown at a safe point after a signal; main() exits with 128 + signal.
struct Interrupted {
  int signal = 0;
};

/// Notes SIGINT and SIGTERM from now on; the same signal once more ends the process at once.
void install_signal_handlers();

/// The signal noted so far, or 0.
int pending_signal() noexcept;

/// Throws Interrupted when a signal is pending.
void stop_if_interrupted();

}  // namespace seqbench
