#include "pipeline/net_uri.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace rill {
namespace {

constexpr std::pair<std::string_view, NetProtocol> kSchemes[] = {
    {"lfmtcp", NetProtocol::kTcp},
    {"lfmudp", NetProtocol::kUdp},
    {"lfmws", NetProtocol::kWebSocket}};

// Text up to the first of `ends`, which is left in `rest` with what follows.
std::string_view Take(std::string_view& rest, std::string_view ends) {
  const size_t end = std::min(rest.find_first_of(ends), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end);
  return taken;
}

std::optional<uint32_t> Port(std::string_view text) {
  uint32_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (code != std::errc() || end != text.data() + text.size() || port > 65535) return {};
  return port;
}

}  // namespace

Result<NetOptions> ParseNetUri(const std::string& uri, NetOptions options) {
  std::string_view rest = uri;
  const std::string_view scheme = Take(rest, ":");
  const auto* known = std::begin(kSchemes);
  while (known != std::end(kSchemes) && known->first != scheme) ++known;
  if (known == std::end(kSchemes) || rest.substr(0, 3) != "://")
    return Error{"the address must begin with lfmtcp://, lfmudp:// or lfmws://"};
  options.protocol = known->second;
  rest.remove_prefix(3);

  std::string_view authority = Take(rest, "/?#");
  std::string_view host;
  if (!authority.empty() && authority.front() == '[') {
    authority.remove_prefix(1);
    host = Take(authority, "]");
    if (authority.empty()) return Error{"the address has [ without ]"};
    authority.remove_prefix(1);
  } else {
    host = Take(authority, ":");
  }
  const std::optional<uint32_t> port =
      authority.substr(0, 1) == ":" ? Port(authority.substr(1)) : std::nullopt;
  if (host.empty() || host.find('@') != host.npos || !port)
    return Error{"the address needs a host and a port from 0 to 65535, as in " +
                 std::string(scheme) + "://127.0.0.1:9000"};
  options.host = host;
  options.port = *port;

  const std::string_view path = Take(rest, "?#");
  if (path.size() > 1 && options.protocol != NetProtocol::kWebSocket)
    return Error{"only lfmws:// addresses have a path"};
  options.path = path.empty() ? "/" : path;

  options.mode = NetMode::kClient;
  if (rest.empty()) return options;
  if (rest == "?mode=server") {
    options.mode = NetMode::kServer;
  } else if (rest != "?mode=client") {
    return Error{"after the path there can only be ?mode=server or ?mode=client"};
  }
  return options;
}

std::string NetUri(const NetOptions& options) {
  std::string uri;
  for (const auto& [scheme, protocol] : kSchemes)
    if (protocol == options.protocol) uri = scheme;
  const bool v6 = options.host.find(':') != std::string::npos;
  uri +=
      "://" + (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
  if (options.protocol == NetProtocol::kWebSocket) uri += options.path;
  return uri + (options.mode == NetMode::kServer ? "?mode=server" : "?mode=client");
}

}  // namespace rill
