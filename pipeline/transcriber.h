// One stream of audio over a shared model: samples in, words out, for ever, in constant memory.
//
//   auto model = rill::Model::Load("speech-en.gguf");
//   auto stream = rill::Transcriber::Open(*model, {});
//   stream->Push(samples);                                // mono, at stream->rate()
//   for (const auto& event : stream->Take()) ...          // words that are final
//   for (const auto& word : stream->Partial()) ...        // the words after them, as they look now
//   std::vector<std::byte> bytes = stream->Save();        // equal bytes, equal future
//
// The pieces that samples come in do not matter.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/audio_stage.h"
#include "pipeline/transcribe_stage.h"

namespace rill {

class Transcriber {
 public:
  // The model must have the encoder `audio` and the head `transcribe`.
  static Result<Transcriber> Open(std::shared_ptr<const Model> model,
                                  const TranscribeOptions& options);

  size_t rate() const { return audio_.rate(); }  // Hz
  // Takes samples in [-1, 1]; one that is not finite counts as silence. An error ends the stream
  // until Reset or Restore.
  Result<void> Push(std::span<const float> samples);
  // Declares the stream over: silence follows until the last word is out, and it is final.
  Result<void> Finish();
  // Forgets everything heard.
  void Reset();

  // What became final since the last call, in order.
  std::vector<TranscriptEvent> Take() { return head_.Take(); }
  // The words after the final ones as they look now.
  std::vector<TimedWord> Partial() const { return head_.Partial(); }

  // Independent from here on, and equal so far.
  Transcriber Fork() const { return *this; }
  // Final words that were not taken are not part of it.
  std::vector<std::byte> Save() const;
  Result<void> Restore(std::span<const std::byte> snapshot);

  const Model& model() const { return *model_; }
  int64_t position() const { return audio_.position(); }  // samples taken
  int64_t unsound() const { return audio_.unsound(); }    // samples that were not finite
  size_t lookahead() const { return head_.lookahead(); }  // frames
  // Samples from the first one of a frame to the last one that its result needs.
  size_t latency() const { return (1 + head_.lookahead()) * audio_.hop(); }
  // Bytes that a snapshot holds of the state, beside the decoder's.
  size_t state_bytes() const {
    return audio_.state_bytes() + backbone_.state_bytes() + head_.state_bytes();
  }

 private:
  Transcriber(std::shared_ptr<const Model> model, AudioStage audio, TranscribeStage head);

  std::shared_ptr<const Model> model_;
  AudioStage audio_;
  BackboneStage backbone_;
  TranscribeStage head_;
  FrameBlock block_;
  std::optional<Error> broken_;
};

}  // namespace rill
