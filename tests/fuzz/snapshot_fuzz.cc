#include "tests/fuzz/snapshot_fuzz.h"

#include <cmath>
#include <vector>

#include "pipeline/session.h"

namespace rill::testing {
namespace {

constexpr size_t kChannels = 2, kRows = 11;  // two whole patches and a part of one
constexpr int64_t kMinuteNs = 60'000'000'000;

Session Open() {
  static const std::shared_ptr<const Model> model =
      *Model::Load(RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf");
  return *Session::Open(model, {.channels = kChannels, .every = 3, .horizon = 6});
}

void PushRows(Session& session, int64_t from) {
  for (int64_t t = from; t < from + static_cast<int64_t>(kRows); ++t) {
    const double row[kChannels] = {std::sin(static_cast<double>(t)), 5.0};
    static_cast<void>(session.Push(t * kMinuteNs, row));
  }
  static_cast<void>(session.Peek(6));
}

}  // namespace

bool FuzzSnapshot(std::span<const SnapshotEdit> edits) {
  static const Snapshot whole = [] {
    Session session = Open();
    PushRows(session, 0);
    return *Snapshot::Parse(session.Save());
  }();
  Session session = Open();
  if (!session.Restore(Edited(whole, edits).Serialize())) return false;
  PushRows(session, kRows);
  return true;
}

void FuzzSnapshot(std::span<const std::byte> bytes) {
  Session session = Open();
  if (session.Restore(bytes)) PushRows(session, kRows);
  FuzzSnapshot(ReadEdits(bytes));
}

}  // namespace rill::testing

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::testing::FuzzSnapshot(std::as_bytes(std::span(data, bytes)));
  return 0;
}
#endif
