// What a message between ranks costs, by measurement.
#pragma once

#include "harness/ranks/replay.h"

namespace seqbench {

/// All ranks call it; rank 0 has the result, the others none. `alone`: half of a round trip between
/// rank 0 and another one, of the slowest of them; `shift`: every rank sends to the next one and
/// receives from the one before, as rank 0 sees it. Medians, some 0.1 s for each other rank.
/// Nothing where there is one rank.
MessageCosts probe_messages(Communicator& ranks);

}  // namespace seqbench
