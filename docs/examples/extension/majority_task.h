#pragma once

/// Adds task `majority`: were more than half of the bits ones?
void register_majority();
