// Options of the commands that transcribe.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "pipeline/transcriber.h"

namespace rill {

struct SpeechFlags {
  std::string model = "speech-en", decoder = "auto", language_model = "speech-en.lm";
  int lookahead = -1;                                           // -1: as the model says
  double blank_penalty = 0, lm_weight = -1, word_bonus = -100;  // out of range: as the decoder says
  size_t beam = CtcBeamOptions().beam;
  std::string pronunciations, hotwords;
  double hotword_boost = 2;
  double min_confidence = -1;  // negative: as the decoder says
  double pause_s = EndpointRules().pause_s;
};

void AddSpeechFlags(CLI::App& command, SpeechFlags& flags);
// Loads the models and opens a stream.
Result<Transcriber> OpenTranscriber(const SpeechFlags& flags);

}  // namespace rill
