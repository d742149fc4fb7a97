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
#include "modalities/word_gate.h"
#include "pipeline/stages.h"

namespace rill {

// When an utterance is over.
struct EndpointRules {
  double pause_s = 0.8;        // silence after a word
  double long_s = 20;          // an utterance this long ends at ...
  double long_pause_s = 0.24;  // ... a shorter silence, and one three times as long at any
};

// How words are found: from the best piece of every frame; by a beam search over pieces, which
// spells any word; or over phones, of the words of a lexicon. By itself it is over phones where the
// model has them and there is a language model.
enum class DecoderKind { kAuto, kGreedy, kBeam, kLexicon };

struct TranscribeOptions {
  std::optional<size_t> lookahead = {};  // frames; none: as the model says
  DecoderKind decoder = DecoderKind::kAuto;
  // Nats taken from the blank, -20 to 20, beside what the search by phones takes by itself.
  double blank_penalty = 0;
  std::shared_ptr<const NgramLm> language_model = {};  // of the searches; may be null
  std::string pronunciations = {};  // path of a file, what the model's lexicon lacks; empty: none
  // None: as suits the decoder; they and `blank_penalty` stand above those of `search`.
  std::optional<float> lm_weight = {}, word_bonus = {};
  // What the surest word of an utterance must have for the utterance to be heard, 0 to 1
  // (modalities/word_gate.h); none: as suits the decoder.
  std::optional<float> min_confidence = {};
  CtcBeamOptions search = {};
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
  // Whether no word of what has been heard can still come.
  bool is_quiet() const { return !gate_.holds() && decoder_->Partial().empty(); }
  int64_t frames() const { return head().frames(state_.lane(0)); }  // taken

  size_t state_bytes() const { return state_.bytes().size(); }
  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  enum Counter { kLookahead, kUtteranceFrames, kCounters };

  TranscribeStage(std::shared_ptr<const Model> model, size_t lookahead,
                  const TranscribeOptions& options, bool by_phones,
                  std::unique_ptr<CtcDecoder> decoder, WordGate gate);

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
  WordGate gate_;
  std::vector<float> log_probabilities_;
  size_t first_ = 0, count_;  // of them, the decoder's
  std::vector<TranscriptEvent> events_;
};

}  // namespace rill
