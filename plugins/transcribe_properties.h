// Properties of lfmtranscribe, which lfmtranscriber has as well.
#pragma once

#include <gst/gst.h>

#include <string>

#include "pipeline/transcribe_stage.h"
#include "plugins/text_output.h"

namespace rill {

// What an element is set to.
struct TranscribeSettings {
  gint lookahead = -1;  // frames; -1: as the model says
  DecoderKind decoder = DecoderKind::kAuto;
  std::string language_model, pronunciations;
  std::string hotwords;
  gdouble hotword_boost = 2;
  gdouble blank_penalty = 0;
  guint beam = static_cast<guint>(CtcBeamOptions().beam);
  gdouble lm_weight = -1, word_bonus = -100,
          min_confidence = -1;  // out of range: as suits the decoder
  guint pause_ms = 800, long_ms = 20000, long_pause_ms = 240;
  TextSettings text;
  bool messages = true;
  gint64 message_interval_ns = 0;  // -1: partial words are not told
  guint latency_ms = 0, lateness_ms = 0;
  std::string language = "en-US";

  TranscribeSettings();
};

// In the order of InstallTranscribeProperties, from `first` on.
enum TranscribeProperty : guint {
  kLookahead,
  kDecoder,
  kLanguageModel,
  kPronunciations,
  kHotwords,
  kHotwordBoost,
  kBlankPenalty,
  kBeam,
  kLmWeight,
  kWordBonus,
  kMinConfidence,
  kPause,
  kLongUtterance,
  kLongPause,
  kOutput,
  kLineLength,
  kNewline,
  kTranscriptMessages,
  kTranscriptMessageInterval,
  kLatency,
  kLateness,
  kLanguageCode,
  kTranscribeProperties,
};

void InstallTranscribeProperties(GObjectClass* object_class, guint first);
void SetTranscribeProperty(TranscribeSettings& settings, guint property, const GValue* value);
void GetTranscribeProperty(const TranscribeSettings& settings, guint property, GValue* value);

// Options of a stage, with the language model loaded.
Result<TranscribeOptions> ToOptions(const TranscribeSettings& settings);

}  // namespace rill
