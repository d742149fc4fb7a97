// A network source as one address: lfmtcp://127.0.0.1:9000, lfmudp://0.0.0.0:9000?mode=server,
// lfmws://[::1]:9000/path?mode=client.
//
// Without `mode` the address is one to connect to. No other query key is known.
#pragma once

#include <string>

#include "operators/core/result.h"
#include "pipeline/net_options.h"

namespace rill {

// `options` with protocol, mode, host, port and path of the address.
Result<NetOptions> ParseNetUri(const std::string& uri, NetOptions options);

// The address of these options; ParseNetUri() reads it back.
std::string NetUri(const NetOptions& options);

}  // namespace rill
