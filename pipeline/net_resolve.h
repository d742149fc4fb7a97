// Host names to addresses without holding up the network thread. Internal to the network source.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pipeline/net_peer.h"

namespace rill {

// The addresses a name needs no resolver for: a numeric one, or localhost; else empty.
std::vector<std::string> LocalAddresses(const std::string& host);

// Calls `done` in the network thread with at least one numeric address, or why there is none; not
// at all once shared.forget_resolve ran. A resolver cannot be interrupted, so it works in a thread
// of its own, which a stopping source leaves to end by itself.
void Resolve(NetShared& shared, std::function<void(Result<std::vector<std::string>>)> done);

// "127.0.0.1 port 9000", for messages.
std::string Place(const std::string& host, uint32_t port);

}  // namespace rill
