#include "pipeline/snapshot.h"

#include <cstring>

#include "operators/core/cursor.h"
#include "operators/core/state.h"

namespace rill {
namespace {

constexpr char kMagic[8] = {'R', 'I', 'L', 'L', 'S', 'N', 'A', 'P'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMostParts = 64;

template <typename T>
void Put(std::vector<std::byte>& to, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

const Snapshot::Part* Snapshot::Find(std::string_view name) const {
  for (const Part& part : parts)
    if (part.name == name) return &part;
  return nullptr;
}

std::vector<std::byte> Snapshot::Serialize() const {
  std::vector<std::byte> out;
  Put(out, kMagic);
  Put(out, kVersion);
  Put(out, static_cast<uint32_t>(parts.size()));
  Put(out, model);
  Put(out, position);
  for (const Part& part : parts) {
    Put(out, static_cast<uint64_t>(part.name.size()));
    const auto name = std::as_bytes(std::span(part.name));
    out.insert(out.end(), name.begin(), name.end());
    Put(out, part.layout);
    Put(out, static_cast<uint64_t>(part.bytes.size()));
    out.insert(out.end(), part.bytes.begin(), part.bytes.end());
  }
  Put(out, Hash(out));
  return out;
}

Result<Snapshot> Snapshot::Parse(std::span<const std::byte> bytes) {
  const Error damaged{"snapshot of " + std::to_string(bytes.size()) +
                      " bytes is damaged or cut off"};
  uint64_t checksum = 0;
  if (bytes.size() < sizeof kMagic + sizeof checksum) return damaged;
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    return Error{"not a snapshot: it does not start with \"RILLSNAP\""};
  std::memcpy(&checksum, bytes.data() + bytes.size() - sizeof checksum, sizeof checksum);
  const auto content = bytes.first(bytes.size() - sizeof checksum);
  Cursor cursor(content.subspan(sizeof kMagic));
  uint32_t version = 0, count = 0;
  if (!cursor.Take(version)) return damaged;
  if (version != kVersion)
    return Error{"snapshot version " + std::to_string(version) + ", this build reads " +
                 std::to_string(kVersion)};
  if (checksum != Hash(content)) return damaged;
  Snapshot snapshot;
  if (!cursor.Take(count) || count > kMostParts || !cursor.Take(snapshot.model) ||
      !cursor.Take(snapshot.position))
    return damaged;
  for (uint32_t i = 0; i < count; ++i) {
    Part part;
    uint64_t length = 0;
    std::string_view name;
    std::span<const std::byte> state;
    if (!cursor.Take(name) || !cursor.Take(part.layout) || !cursor.Take(length) ||
        !cursor.Take(length, state))
      return damaged;
    part.name = name;
    part.bytes.assign(state.begin(), state.end());
    snapshot.parts.push_back(std::move(part));
  }
  if (cursor.left() > 0) return damaged;
  return snapshot;
}

Result<void> RestorePart(const Snapshot& snapshot, const std::string& name, uint64_t model,
                         uint64_t layout, const std::function<Result<void>(const State&)>& check,
                         State& state) {
  const Snapshot::Part* part = snapshot.Find(name);
  if (part == nullptr) return Error{"snapshot has no state for " + name};
  if (snapshot.model != model) return Error{"snapshot was made with another model"};
  if (part->layout != layout)
    return Error{"snapshot's state of " + name + " has another layout: other options or channels"};
  if (part->bytes.size() != state.bytes().size())
    return Error{"snapshot's state of " + name + " has " + std::to_string(part->bytes.size()) +
                 " bytes, " + std::to_string(state.bytes().size()) +
                 " are wanted: another channel count"};
  State restored = state;
  std::memcpy(restored.bytes().data(), part->bytes.data(), part->bytes.size());
  if (const Result<void> sound = check(restored); !sound)
    return Error{"snapshot: " + sound.error().message};
  state = std::move(restored);
  return {};
}

}  // namespace rill
