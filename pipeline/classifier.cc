#include "pipeline/classifier.h"

#include <cassert>

namespace rill {

Result<Classifier> Classifier::Open(std::shared_ptr<const Model> model, Medium medium,
                                    const ClassifyOptions& options) {
  Result<ClassifyStage> head = ClassifyStage::Open(model, options);
  if (!head) return head.error();
  std::optional<AudioStage> audio;
  std::optional<ImageStage> image;
  if (medium == Medium::kSound) {
    Result<AudioStage> opened = AudioStage::Open(model);
    if (!opened) return opened.error();
    audio.emplace(std::move(*opened));
  } else {
    Result<ImageStage> opened = ImageStage::Open(model);
    if (!opened) return opened.error();
    image.emplace(std::move(*opened));
  }
  return Classifier(std::move(model), std::move(audio), std::move(image), std::move(*head));
}

Classifier::Classifier(std::shared_ptr<const Model> model, std::optional<AudioStage> audio,
                       std::optional<ImageStage> image, ClassifyStage head)
    : model_(std::move(model)),
      audio_(std::move(audio)),
      image_(std::move(image)),
      backbone_(model_, 1),
      head_(std::move(head)),
      block_(1, model_->backbone().width()) {
  if (image_) fitter_.emplace(image_->config());
}

Result<void> Classifier::Run() {
  if (Result<void> run = backbone_.Run(block_); !run) return run;
  head_.Run(block_);
  return {};
}

Result<void> Classifier::Push(const Picture& picture) {
  assert(image_);
  const Result<std::span<const uint8_t>> pixels = fitter_->Run(picture);
  if (!pixels) return pixels.error();
  image_->Run(*pixels, block_);
  return Run();
}

Result<AudioEncoder::Taken> Classifier::Push(std::span<const float> samples) {
  assert(audio_);
  const AudioEncoder::Taken taken = audio_->Take(samples, block_);
  if (!taken.complete) return taken;
  if (const Result<void> run = Run(); !run) return run.error();
  return taken;
}

void Classifier::Reset() {
  if (audio_) audio_->Reset();
  if (image_) image_->Reset();
  backbone_.Reset();
  head_.Reset();
}

std::vector<std::byte> Classifier::Save() const {
  Snapshot snapshot;
  snapshot.model = model_->fingerprint();
  snapshot.position = position();
  snapshot.parts = {image_ ? image_->Save() : audio_->Save(), backbone_.Save(), head_.Save()};
  return snapshot.Serialize();
}

Result<void> Classifier::Restore(std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  Classifier restored = *this;  // so that a failure half-way changes nothing
  restored.Reset();
  if (restored.image_) {
    if (Result<void> ok = restored.image_->Restore(*snapshot); !ok) return ok;
  } else {
    if (Result<void> ok = restored.audio_->Restore(*snapshot); !ok) return ok;
  }
  if (Result<void> ok = restored.backbone_.Restore(*snapshot); !ok) return ok;
  if (Result<void> ok = restored.head_.Restore(*snapshot); !ok) return ok;
  *this = std::move(restored);
  return {};
}

}  // namespace rill
