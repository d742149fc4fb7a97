#include "pipeline/net_resolve.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include <netdb.h>

#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace rill {
namespace {

// Between the resolver's thread and the source, whichever ends first.
struct Answer {
  std::mutex mutex;
  boost::asio::io_context* io;  // guarded by mutex; null once the source has stopped
};

Result<std::vector<std::string>> AskSystem(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0)
    return Error{"cannot resolve " + host + ": " + gai_strerror(code)};
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0)
      addresses.emplace_back(text);
  }
  freeaddrinfo(list);
  return addresses;
}

}  // namespace

std::vector<std::string> LocalAddresses(const std::string& host) {
  if (host == "localhost") return {"127.0.0.1", "::1"};
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  if (error) return {};
  return {host};
}

void Resolve(NetShared& shared, std::function<void(Result<std::vector<std::string>>)> done) {
  const std::string host = shared.options.host;
  if (std::vector<std::string> local = LocalAddresses(host); !local.empty()) {
    boost::asio::post(shared.io, [local = std::move(local), done] { done(local); });
    return;
  }
  const auto answer = std::make_shared<Answer>();
  answer->io = &shared.io;
  shared.forget_resolve = [answer] {
    const std::lock_guard lock(answer->mutex);
    answer->io = nullptr;
  };
  const NetResolver resolve = shared.options.resolve ? shared.options.resolve : AskSystem;
  auto work = [answer, resolve, host, done = std::move(done)]() mutable {
    Result<std::vector<std::string>> addresses = resolve(host);
    if (addresses && addresses->empty()) addresses = Error{"no address of " + host};
    const std::lock_guard lock(answer->mutex);
    if (answer->io != nullptr)
      boost::asio::post(*answer->io, [done = std::move(done), addresses = std::move(addresses)] {
        done(addresses);
      });
  };
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error& error) {
    shared.queue.Fail({"cannot start a thread to resolve " + host + ": " + error.what()});
  }
}

std::string Place(const std::string& host, uint32_t port) {
  return host + " port " + std::to_string(port);
}

}  // namespace rill
