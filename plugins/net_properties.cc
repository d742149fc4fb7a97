#include "plugins/net_properties.h"

#include "plugins/element.h"

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

namespace rill {
namespace {

constexpr auto kFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);

constexpr struct {
  const char* name;
  const char* blurb;
  guint least, most;
  uint32_t NetOptions::*field;
} kNumbers[] = {
    {"port", "Port to listen on (0: a free one) or to connect to", 0, 65535, &NetOptions::port},
    {"max-clients", "Clients at once, more are refused; UDP: sending addresses", 1, 65535,
     &NetOptions::max_clients},
    {"queue-messages", "Messages that may wait", 1, G_MAXUINT, &NetOptions::queue_messages},
    {"queue-bytes", "Bytes that may wait", 1, G_MAXUINT, &NetOptions::queue_bytes},
    {"max-message-bytes", "Longest line, datagram or WebSocket message; longer ones are skipped", 1,
     1 << 30, &NetOptions::max_message_bytes},
    {"max-rate", "Bytes per second of one client, held back (UDP: skipped) above; 0: no limit", 0,
     G_MAXUINT, &NetOptions::max_rate},
    {"idle-timeout", "Milliseconds after which a silent client is closed; 0: never", 0, G_MAXINT,
     &NetOptions::idle_timeout_ms},
    {"reconnect-interval",
     "Milliseconds before a client connects again, doubled each time; 0: the server's end is EOS",
     0, G_MAXINT, &NetOptions::reconnect_ms},
    {"reconnect-max-interval", "Milliseconds to which reconnect-interval grows", 0, G_MAXINT,
     &NetOptions::reconnect_max_ms},
};

constexpr struct {
  const char* name;
  const char* blurb;
  std::string NetOptions::*field;
} kTexts[] = {
    {"host", "Server: numeric address to listen on (0.0.0.0: every one); client: whom to call",
     &NetOptions::host},
    {"path", "WebSocket path; a server with / accepts every path", &NetOptions::path},
    {"allow-origin", "Web origin a WebSocket server lets in; * any, empty none",
     &NetOptions::allow_origin},
};

constexpr guint kFirstText = 1 + std::size(kNumbers);
enum Choice : guint { kProtocol = kFirstText + std::size(kTexts), kMode, kDropPolicy, kEnd };

GType ProtocolType() {
  static const GEnumValue values[] = {{0, "Lines over TCP", "tcp"},
                                      {1, "Datagrams of lines over UDP", "udp"},
                                      {2, "Messages of lines over WebSocket", "websocket"},
                                      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("LfmNetworkProtocol", values);
  return type;
}

GType ModeType() {
  static const GEnumValue values[] = {{0, "Listen for clients", "server"},
                                      {1, "Connect to a server", "client"},
                                      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("LfmNetworkMode", values);
  return type;
}

GType DropPolicyType() {
  static const GEnumValue values[] = {
      {0, "Drop the oldest message", "drop-oldest"},
      {1, "Drop the newest message", "drop-newest"},
      {2, "Stop reading, so that TCP holds the sender back", "block"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("LfmNetworkDropPolicy", values);
  return type;
}

}  // namespace

static_assert(kNetPropertyEnd == kEnd);

void InstallNetProperties(GObjectClass* type) {
  const NetOptions defaults;
  guint id = 1;
  for (const auto& p : kNumbers)
    g_object_class_install_property(
        type, id++,
        g_param_spec_uint(p.name, p.name, p.blurb, p.least, p.most, defaults.*p.field, kFlags));
  for (const auto& p : kTexts)
    g_object_class_install_property(
        type, id++,
        g_param_spec_string(p.name, p.name, p.blurb, (defaults.*p.field).c_str(), kFlags));
  const auto choice = [&](Choice place, const char* name, const char* blurb, GType values) {
    g_object_class_install_property(type, place,
                                    g_param_spec_enum(name, name, blurb, values, 0, kFlags));
  };
  choice(kProtocol, "protocol", "What is spoken", ProtocolType());
  choice(kMode, "mode", "Who calls whom", ModeType());
  choice(kDropPolicy, "drop-policy", "What happens when the queue is full", DropPolicyType());
}

void SetNetProperty(NetOptions& options, guint id, const GValue* value) {
  if (id < kFirstText) {
    options.*kNumbers[id - 1].field = g_value_get_uint(value);
  } else if (id < kProtocol) {
    options.*kTexts[id - kFirstText].field = TextOf(value);
  } else if (id == kProtocol) {
    options.protocol = static_cast<NetProtocol>(g_value_get_enum(value));
  } else if (id == kMode) {
    options.mode = static_cast<NetMode>(g_value_get_enum(value));
  } else {
    options.drop_policy = static_cast<DropPolicy>(g_value_get_enum(value));
  }
}

void GetNetProperty(const NetOptions& options, guint id, GValue* value) {
  if (id < kFirstText) {
    g_value_set_uint(value, options.*kNumbers[id - 1].field);
  } else if (id < kProtocol) {
    g_value_set_string(value, (options.*kTexts[id - kFirstText].field).c_str());
  } else if (id == kProtocol) {
    g_value_set_enum(value, static_cast<int>(options.protocol));
  } else if (id == kMode) {
    g_value_set_enum(value, static_cast<int>(options.mode));
  } else {
    g_value_set_enum(value, static_cast<int>(options.drop_policy));
  }
}

GstStructure* ToStructure(const NetStats& stats) {
  const std::pair<const char*, uint64_t> values[] = {
      {"messages", stats.messages},
      {"bytes", stats.bytes},
      {"dropped", stats.dropped},
      {"oversize", stats.oversize},
      {"malformed", stats.malformed},
      {"rate-limited", stats.rate_limited},
      {"refused", stats.refused},
      {"forbidden", stats.forbidden},
      {"timeouts", stats.timeouts},
      {"connections", stats.connections},
      {"reconnects", stats.reconnects},
      {"clients", stats.clients},
      {"queued-messages", stats.queued_messages},
      {"queued-bytes", stats.queued_bytes},
  };
  GstStructure* structure = gst_structure_new_empty("lfm-network-stats");
  for (const auto& [name, value] : values)
    gst_structure_set(structure, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
  return structure;
}

}  // namespace rill
