#include "pipeline/transcriber.h"

#include <algorithm>
#include <array>

namespace rill {

Result<Transcriber> Transcriber::Open(std::shared_ptr<const Model> model,
                                      const TranscribeOptions& options) {
  Result<AudioStage> audio = AudioStage::Open(model);
  if (!audio) return audio.error();
  Result<TranscribeStage> head = TranscribeStage::Open(model, options);
  if (!head) return head.error();
  return Transcriber(std::move(model), std::move(*audio), std::move(*head));
}

Transcriber::Transcriber(std::shared_ptr<const Model> model, AudioStage audio, TranscribeStage head)
    : model_(std::move(model)),
      audio_(std::move(audio)),
      backbone_(model_, 1),
      head_(std::move(head)),
      block_(1, model_->backbone().width()) {}

Result<void> Transcriber::Push(std::span<const float> samples) {
  if (broken_) return *broken_;
  while (!samples.empty()) {
    const AudioEncoder::Taken taken = audio_.Take(samples, block_);
    samples = samples.subspan(taken.samples);
    if (!taken.complete) continue;
    if (const Result<void> run = backbone_.Run(block_); !run) {
      broken_ = run.error();
      return run;
    }
    head_.Run(block_);
  }
  return {};
}

Result<void> Transcriber::Finish() {
  constexpr std::array<float, 1024> kSilence{};
  for (size_t left = audio_.FlushSamples(); left > 0;) {
    const size_t count = std::min(left, kSilence.size());
    if (Result<void> pushed = Push(std::span(kSilence).first(count)); !pushed) return pushed;
    left -= count;
  }
  head_.EndUtterance();
  return {};
}

void Transcriber::Reset() {
  audio_.Reset();
  backbone_.Reset();
  head_.Reset();
  broken_.reset();
}

std::vector<std::byte> Transcriber::Save() const {
  Snapshot snapshot;
  snapshot.model = model_->fingerprint();
  snapshot.position = audio_.position();
  snapshot.parts = {audio_.Save(), backbone_.Save(), head_.Save()};
  return snapshot.Serialize();
}

Result<void> Transcriber::Restore(std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  Transcriber restored = *this;  // so that a failure half-way changes nothing
  restored.Reset();
  if (Result<void> ok = restored.audio_.Restore(*snapshot); !ok) return ok;
  if (Result<void> ok = restored.backbone_.Restore(*snapshot); !ok) return ok;
  if (Result<void> ok = restored.head_.Restore(*snapshot); !ok) return ok;
  *this = std::move(restored);
  return {};
}

}  // namespace rill
