#include "pipeline/stream_snapshot.h"

#include "pipeline/audio_stage.h"
#include "pipeline/classifier.h"
#include "pipeline/forecast.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stages.h"
#include "pipeline/text_stage.h"

namespace rill {

Result<ResumePoint> CheckSensorSnapshot(const std::shared_ptr<const Model>& model,
                                        std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  if (snapshot->model != model->fingerprint()) return Error{"snapshot was made with another model"};
  const Snapshot::Part* backbone = snapshot->Find("backbone");
  if (backbone == nullptr) return Error{"snapshot has no state for backbone"};
  const size_t lane_bytes = model->backbone().layout().bytes();
  const size_t channels = lane_bytes == 0 ? 1 : backbone->bytes.size() / lane_bytes;
  Result<SensorStage> sensor = SensorStage::Open(model, channels);
  if (!sensor) return sensor.error();
  if (const Result<void> ok = sensor->Restore(*snapshot); !ok) return ok.error();
  if (const Result<void> ok = BackboneStage(model, channels).Restore(*snapshot); !ok)
    return ok.error();
  Result<ForecastStage> forecast = ForecastStage::Open(model, channels);
  if (!forecast) return forecast.error();
  if (const Result<void> ok = forecast->Restore(*snapshot); !ok) return ok.error();
  return ResumePoint{channels, snapshot->position, sensor->last_ns()};
}

Result<ResumePoint> CheckSpeechSnapshot(const std::shared_ptr<const Model>& model,
                                        std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  Result<AudioStage> audio = AudioStage::Open(model);
  if (!audio) return audio.error();
  if (const Result<void> ok = audio->Restore(*snapshot); !ok) return ok.error();
  if (const Result<void> ok = BackboneStage(model, 1).Restore(*snapshot); !ok) return ok.error();
  if (snapshot->Find("transcribe") == nullptr) return Error{"snapshot has no state for transcribe"};
  return ResumePoint{1, snapshot->position};
}

Result<ResumePoint> CheckClassSnapshot(const std::shared_ptr<const Model>& model,
                                       std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  if (snapshot->model != model->fingerprint()) return Error{"snapshot was made with another model"};
  const Medium medium = snapshot->Find("image") != nullptr ? Medium::kPictures : Medium::kSound;
  for (const Snapshot::Part& part : snapshot->parts) {
    if (!model->classify().contains(part.name)) continue;
    Result<Classifier> stream = Classifier::Open(model, medium, {.head = part.name});
    if (!stream) return stream.error();
    if (const Result<void> ok = stream->Restore(bytes); !ok) return ok.error();
    return ResumePoint{1, snapshot->position};
  }
  return Error{"snapshot has no state for a head of the model that classifies"};
}

Result<ResumePoint> CheckTextSnapshot(const std::shared_ptr<const Model>& model,
                                      std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  Result<TextStage> text = TextStage::Open(model, {});
  if (!text) return text.error();
  if (const Result<void> ok = text->Restore(*snapshot); !ok) return ok.error();
  Result<BackboneStage> backbone = BackboneStage::Open(model, 1);  // of a long context it is large
  if (!backbone) return backbone.error();
  if (const Result<void> ok = backbone->Restore(*snapshot); !ok) return ok.error();
  Result<GenerateStage> head = GenerateStage::Open(model, {});
  if (!head) return head.error();
  if (const Result<void> ok = head->Restore(*snapshot); !ok) return ok.error();
  return ResumePoint{1, snapshot->position};
}

}  // namespace rill
