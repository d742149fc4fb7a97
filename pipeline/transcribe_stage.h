// The last stage of a transcribed stream: hidden frames to words.
//
// Frames become probabilities of word pieces, a decoder makes words of them, and pauses end
// utterances. Words that are final never change; the words after them, the partial ones, may.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modalities/ctc_beam.h"
#include "modalities/ctc_decoder.h"
#include "pipeline/stages.h"

namespace rill {

// When an utterance is over.
struct EndpointRules {
  double pause_s = 0.8;        // silence after a word
  double long_s = 20;          // an utterance this long ends at ...
  double long_pause_s = 0.24;  // ... a shorter silence, and one three times as long at any
};

struct TranscribeOptions {
  std::optional<size_t> lookahead = {};  // frames; none: as the model says
  bool beam = true;                      // prefix beam search instead of the best piece a frame
  double blank_penalty = 0;              // natural logarithm, taken from the blank's probability
  std::shared_ptr<const NgramLm> language_model = {};  // of the beam search; may be null
  CtcBeamOptions search = {};                          // of the beam search
  EndpointRules endpoint = {};
};

// A word and where in the stream it was heard.
struct TimedWord {
  std::string text;
  int64_t start = 0, end = 0;  // samples since the start of the stream, start < end
  float confidence = 0;        // 0 to 1: geometric mean of the probabilities of its pieces
};

// What became final: a word, or the end of the utterance.
struct TranscriptEvent {
  std::optional<TimedWord> word;
};

class TranscribeStage {
 public:
  // The model must have the head `transcribe`.
  static Result<TranscribeStage> Open(std::shared_ptr<const Model> model,
                                      const TranscribeOptions& options);
  TranscribeStage(TranscribeStage&&) = default;
  TranscribeStage& operator=(TranscribeStage&&) = default;
  TranscribeStage(const TranscribeStage& other);
  TranscribeStage& operator=(const TranscribeStage& other);
  ~TranscribeStage() = default;

  size_t lookahead() const { return lookahead_; }
  // Takes a frame of one channel.
  void Run(const FrameBlock& hidden);
  // Ends the utterance: what is partial becomes final.
  void EndUtterance();
  // Forgets the stream; what was final and not taken too.
  void Reset();

  // What became final since the last call, in order.
  std::vector<TranscriptEvent> Take();
  // The words after the final ones as they look now.
  std::vector<TimedWord> Partial() const;
  int64_t frames() const { return head().frames(state_.lane(0)); }  // taken

  size_t state_bytes() const { return state_.bytes().size(); }
  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  enum Counter { kLookahead, kUtteranceFrames, kCounters };

  TranscribeStage(std::shared_ptr<const Model> model, size_t lookahead,
                  const TranscribeOptions& options, std::unique_ptr<CtcDecoder> decoder);

  const TranscribeHead& head() const { return *model_->transcribe(); }
  int64_t Frames(double seconds) const;
  TimedWord Timed(const DecodedWord& word) const;
  void TakeWords();
  bool IsOver();

  std::shared_ptr<const Model> model_;
  size_t lookahead_;
  EndpointRules endpoint_;
  StateLayout layout_;
  Slot counters_;
  State state_;
  Scratch scratch_;
  std::unique_ptr<CtcDecoder> decoder_;
  std::vector<float> log_probabilities_;
  std::vector<TranscriptEvent> events_;
};

}  // namespace rill
