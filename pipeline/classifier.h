// One stream of pictures or of sound over a shared model: labels out, for ever, in constant memory.
//
//   auto model = rill::Model::Load("pictures.gguf");
//   auto stream = rill::Classifier::Open(*model, {});
//   stream->Push(picture);                                // of any size (modalities/image_fit.h)
//   const rill::ClassifyStage& head = stream->head();
//   head.labels()[head.best()];                           // after all pictures so far
//
//   while (!samples.empty()) {                            // mono, at model.audio()->rate()
//     const auto taken = stream->Push(samples);
//     samples = samples.subspan(taken->samples);
//     if (taken->complete) ...                            // head() is that of another frame
//   }
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "modalities/image_fit.h"
#include "pipeline/audio_stage.h"
#include "pipeline/classify_stage.h"
#include "pipeline/image_stage.h"

namespace rill {

// What a stream consists of.
enum class Medium { kPictures, kSound };

class Classifier {
 public:
  // The model must have the encoder of the medium, and a head `classify`.
  static Result<Classifier> Open(std::shared_ptr<const Model> model, Medium medium,
                                 const ClassifyOptions& options);

  // A picture, by streams of such. An error of a bad picture leaves the stream as it was.
  Result<void> Push(const Picture& picture);
  // Samples in [-1, 1] up to the end of the next frame, by streams of sound.
  Result<AudioEncoder::Taken> Push(std::span<const float> samples);
  // Forgets everything seen or heard.
  void Reset();

  const ClassifyStage& head() const { return head_; }
  // The events of the frames since the last call, in order; at the end of the stream Finish() ends
  // those that go on.
  std::vector<ClassEvent> Take() { return head_.Take(); }
  void Finish() { head_.Finish(); }

  const Model& model() const { return *model_; }
  // Pictures or samples taken.
  int64_t position() const { return image_ ? image_->position() : audio_->position(); }

  // Events that were not taken are not part of it.
  std::vector<std::byte> Save() const;
  Result<void> Restore(std::span<const std::byte> snapshot);

 private:
  Classifier(std::shared_ptr<const Model> model, std::optional<AudioStage> audio,
             std::optional<ImageStage> image, ClassifyStage head);
  Result<void> Run();

  std::shared_ptr<const Model> model_;
  std::optional<AudioStage> audio_;
  std::optional<ImageStage> image_;
  std::optional<ImageFitter> fitter_;
  BackboneStage backbone_;
  ClassifyStage head_;
  FrameBlock block_;
};

}  // namespace rill
