// What a network source is asked to do, what it hands out and what it counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "operators/core/result.h"

namespace rill {

enum class NetProtocol { kTcp, kUdp, kWebSocket };
enum class NetMode { kServer, kClient };
// What happens to a message that finds the queue full. `kBlock` stops reading, so that TCP holds
// the sender back; datagrams are then lost in the kernel, uncounted.
enum class DropPolicy { kDropOldest, kDropNewest, kBlock };

// Turns a host name into numeric addresses. May block; runs in a thread of its own.
using NetResolver = std::function<Result<std::vector<std::string>>(const std::string& host)>;

struct NetOptions {
  NetProtocol protocol = NetProtocol::kTcp;
  NetMode mode = NetMode::kServer;
  std::string host = "127.0.0.1";  // server: a numeric address of this machine, or localhost
  uint32_t port = 0;               // server: 0 picks a free one
  std::string path = "/";          // WebSocket; a server with "/" accepts every path
  std::string allow_origin;        // WebSocket server: the web origin let in, "*" any, "" none
  uint32_t max_clients = 16;       // server; UDP: sending addresses
  uint32_t queue_messages = 4096;
  uint32_t queue_bytes = 16 << 20;
  DropPolicy drop_policy = DropPolicy::kDropOldest;
  uint32_t max_message_bytes = 1 << 20;  // of a line, datagram or WebSocket message
  uint32_t max_rate = 0;                 // bytes a second and client; 0: no limit
  uint32_t idle_timeout_ms = 300'000;    // a silent client is closed; 0: never
  uint32_t reconnect_ms = 1000;          // client: first wait; 0: a lost connection is the end
  uint32_t reconnect_max_ms = 30'000;    // client: the wait doubles up to this
  NetResolver resolve;                   // empty: the system's
};

// Whole lines: the last byte is always a newline. One WebSocket message, one datagram, or as many
// lines of one TCP client as came together.
struct NetMessage {
  std::string bytes;
  int64_t arrival_ns = 0;   // steady clock
  int64_t unix_ns = 0;      // since 1970, UTC
  bool after_loss = false;  // something between this and the message before was lost
};

// What NetSource::Pull() found.
struct NetEvent {
  enum class Kind {
    kMessage,      // `message`
    kNotice,       // `text`: something a person should know; the stream goes on
    kEnded,        // the server closed the connection and reconnection is off
    kFailed,       // `text`: why nothing more will come
    kInterrupted,  // by Interrupt()
    kTimeout,
  };
  Kind kind = Kind::kTimeout;
  NetMessage message;
  std::string text;
};

// Totals since the start, except where said.
struct NetStats {
  uint64_t messages = 0;         // taken into the queue
  uint64_t bytes = 0;            // of those
  uint64_t dropped = 0;          // because the queue was full
  uint64_t oversize = 0;         // lines, datagrams, messages over the limit, all skipped
  uint64_t malformed = 0;        // handshakes, frames, lines cut short by a broken connection
  uint64_t rate_limited = 0;     // pauses in reading; UDP: datagrams skipped
  uint64_t refused = 0;          // clients beyond max_clients
  uint64_t forbidden = 0;        // WebSocket clients of another path or origin
  uint64_t timeouts = 0;         // clients closed because they were silent
  uint64_t connections = 0;      // UDP: sending addresses seen
  uint64_t reconnects = 0;       // connections after the first, as a client
  uint64_t clients = 0;          // now
  uint64_t queued_messages = 0;  // now
  uint64_t queued_bytes = 0;     // now
};

}  // namespace rill
