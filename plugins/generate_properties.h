// Properties of lfmtextenc and of lfmgenerate, which lfmgenerator has as well.
#pragma once

#include <gst/gst.h>

#include <string>

#include "pipeline/generate_stage.h"
#include "pipeline/text_stage.h"

namespace rill {

// In the order of InstallPromptProperties, from `first` on.
enum PromptProperty : guint { kRaw, kRole, kSystem, kPromptProperties };

void InstallPromptProperties(GObjectClass* object_class, guint first);
void SetPromptProperty(PromptOptions& options, guint property, const GValue* value);
void GetPromptProperty(const PromptOptions& options, guint property, GValue* value);

enum class AnswerOutput { kToken, kAnswer };

// What lfmgenerate is set to.
struct GenerateSettings {
  SamplerOptions sampling;
  std::string stop;  // a line each
  guint max_tokens = 512, threads = 0;
  AnswerOutput output = AnswerOutput::kToken;
  bool newline = false, messages = true;
};

// In the order of InstallGenerateProperties, from `first` on.
enum GenerateProperty : guint {
  kTemperature,
  kTopK,
  kTopP,
  kMinP,
  kRepetitionPenalty,
  kRepetitionWindow,
  kSeed,
  kStop,
  kMaxTokens,
  kAnswerOutput,
  kAnswerNewline,
  kAnswerMessages,
  kThreads,
  kGenerateProperties,
};

void InstallGenerateProperties(GObjectClass* object_class, guint first);
void SetGenerateProperty(GenerateSettings& settings, guint property, const GValue* value);
void GetGenerateProperty(const GenerateSettings& settings, guint property, GValue* value);

// Options of a stage.
GeneratorOptions ToOptions(const GenerateSettings& settings);

}  // namespace rill
