#include "harness/base/failure.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/utf8.h"

namespace seqbench {

int tell(const std::string& message, int exit_code) {
  std::fflush(stdout);
  std::cerr << "seqbench: " << printable(message) << '\n';
  return exit_code;
}

int tell_failure() {
  try {
    throw;
  } catch (const Interrupted& stop) {
    const std::string how = stop.signal == SIGINT ? "interrupted" : "terminated";
    return tell(how + "; what is finished is kept, a sweep goes on with --resume",
                128 + stop.signal);
  } catch (const UsageError& error) {
    return tell(error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return tell("out of memory", kFailed);
  } catch (const std::exception& error) {
    return tell(error.what(), kFailed);
  }
}

}  // namespace seqbench
