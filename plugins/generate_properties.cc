#include "plugins/generate_properties.h"

#include "plugins/element.h"
#include "plugins/stage.h"
#include "plugins/stage_properties.h"

namespace rill {
namespace {

GType OutputType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(AnswerOutput::kToken), "a buffer for the characters of every token",
         "token"},
        {static_cast<gint>(AnswerOutput::kAnswer), "a buffer for every answer", "answer"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmAnswerOutput", values);
  }();
  return type;
}

GParamSpec* Spec(PromptProperty property, const PromptOptions& usual) {
  switch (property) {
    case kRaw:
      return g_param_spec_boolean("raw", "Raw",
                                  "Go on from the text as it is, special tokens among it; else a "
                                  "buffer is a message to the assistant",
                                  usual.raw, kInReady);
    case kRole:
      return g_param_spec_string("role", "Role", "Who speaks: user, system, assistant or tool",
                                 usual.role.c_str(), kInReady);
    case kSystem:
      return g_param_spec_string("system", "System", "What the assistant is told at the start",
                                 usual.system.c_str(), kInReady);
    case kPromptProperties: break;
  }
  return nullptr;
}

GParamSpec* Count(const char* name, const char* nick, const char* blurb, size_t by_default) {
  return g_param_spec_uint(name, nick, blurb, 0, G_MAXUINT, static_cast<guint>(by_default),
                           kInReady);
}

GParamSpec* Spec(GenerateProperty property, const GenerateSettings& usual) {
  const SamplerOptions& sampling = usual.sampling;
  switch (property) {
    case kTemperature:
      return g_param_spec_double("temperature", "Temperature", "0: always the likeliest token", 0,
                                 100, sampling.temperature, kInReady);
    case kTopK:
      return Count("top-k", "Top k", "Only of the likeliest K; 0: of all", sampling.top_k);
    case kTopP:
      return g_param_spec_double("top-p", "Top p", "Only of the likeliest that add up to this", 0,
                                 1, sampling.top_p, kInReady);
    case kMinP:
      return g_param_spec_double("min-p", "Min p",
                                 "Only of those at least so likely as the likeliest, times this", 0,
                                 1, sampling.min_p, kInReady);
    case kRepetitionPenalty:
      return g_param_spec_double("repetition-penalty", "Repetition penalty",
                                 "Of tokens that were there; 1: none", 0.01, 100,
                                 sampling.repetition_penalty, kInReady);
    case kRepetitionWindow:
      return Count("repetition-window", "Repetition window", "Tokens that it looks back",
                   sampling.repetition_window);
    case kSeed:
      return g_param_spec_uint64("seed", "Seed", "Of what is drawn", 0, G_MAXUINT64, sampling.seed,
                                 kInReady);
    case kStop:
      return g_param_spec_string("stop", "Stop",
                                 "Text that an answer ends before; several a line each",
                                 usual.stop.c_str(), kInReady);
    case kMaxTokens:
      return g_param_spec_uint("max-tokens", "Max tokens",
                               "Tokens of an answer at most; 0: any number", 0, G_MAXUINT,
                               usual.max_tokens, kAlways);
    case kAnswerOutput:
      return g_param_spec_enum("output", "Output", "What a buffer holds", OutputType(),
                               static_cast<gint>(usual.output), kAlways);
    case kAnswerNewline:
      return g_param_spec_boolean("newline", "Newline",
                                  "End every answer with a line feed, for files and terminals",
                                  usual.newline, kAlways);
    case kAnswerMessages:
      return g_param_spec_boolean("messages", "Messages", "Post an element message lfm-answer",
                                  usual.messages, kAlways);
    case kThreads: return ThreadsSpec();
    case kGenerateProperties: break;
  }
  return nullptr;
}

}  // namespace

void InstallPromptProperties(GObjectClass* object_class, guint first) {
  for (guint i = 0; i < kPromptProperties; ++i)
    g_object_class_install_property(object_class, first + i,
                                    Spec(static_cast<PromptProperty>(i), {}));
}

void SetPromptProperty(PromptOptions& options, guint property, const GValue* value) {
  switch (static_cast<PromptProperty>(property)) {
    case kRaw: options.raw = g_value_get_boolean(value) == TRUE; break;
    case kRole: options.role = TextOf(value); break;
    case kSystem: options.system = TextOf(value); break;
    case kPromptProperties: break;
  }
}

void GetPromptProperty(const PromptOptions& options, guint property, GValue* value) {
  switch (static_cast<PromptProperty>(property)) {
    case kRaw: g_value_set_boolean(value, options.raw); break;
    case kRole: g_value_set_string(value, options.role.c_str()); break;
    case kSystem: g_value_set_string(value, options.system.c_str()); break;
    case kPromptProperties: break;
  }
}

void InstallGenerateProperties(GObjectClass* object_class, guint first) {
  for (guint i = 0; i < kGenerateProperties; ++i)
    g_object_class_install_property(object_class, first + i,
                                    Spec(static_cast<GenerateProperty>(i), {}));
}

void SetGenerateProperty(GenerateSettings& settings, guint property, const GValue* value) {
  SamplerOptions& sampling = settings.sampling;
  switch (static_cast<GenerateProperty>(property)) {
    case kTemperature: sampling.temperature = g_value_get_double(value); break;
    case kTopK: sampling.top_k = g_value_get_uint(value); break;
    case kTopP: sampling.top_p = g_value_get_double(value); break;
    case kMinP: sampling.min_p = g_value_get_double(value); break;
    case kRepetitionPenalty: sampling.repetition_penalty = g_value_get_double(value); break;
    case kRepetitionWindow: sampling.repetition_window = g_value_get_uint(value); break;
    case kSeed: sampling.seed = g_value_get_uint64(value); break;
    case kStop: settings.stop = TextOf(value); break;
    case kMaxTokens: settings.max_tokens = g_value_get_uint(value); break;
    case kAnswerOutput: settings.output = static_cast<AnswerOutput>(g_value_get_enum(value)); break;
    case kAnswerNewline: settings.newline = g_value_get_boolean(value) == TRUE; break;
    case kAnswerMessages: settings.messages = g_value_get_boolean(value) == TRUE; break;
    case kThreads: settings.threads = g_value_get_uint(value); break;
    case kGenerateProperties: break;
  }
}

void GetGenerateProperty(const GenerateSettings& settings, guint property, GValue* value) {
  const SamplerOptions& sampling = settings.sampling;
  switch (static_cast<GenerateProperty>(property)) {
    case kTemperature: g_value_set_double(value, sampling.temperature); break;
    case kTopK: g_value_set_uint(value, static_cast<guint>(sampling.top_k)); break;
    case kTopP: g_value_set_double(value, sampling.top_p); break;
    case kMinP: g_value_set_double(value, sampling.min_p); break;
    case kRepetitionPenalty: g_value_set_double(value, sampling.repetition_penalty); break;
    case kRepetitionWindow:
      g_value_set_uint(value, static_cast<guint>(sampling.repetition_window));
      break;
    case kSeed: g_value_set_uint64(value, sampling.seed); break;
    case kStop: g_value_set_string(value, settings.stop.c_str()); break;
    case kMaxTokens: g_value_set_uint(value, settings.max_tokens); break;
    case kAnswerOutput: g_value_set_enum(value, static_cast<gint>(settings.output)); break;
    case kAnswerNewline: g_value_set_boolean(value, settings.newline); break;
    case kAnswerMessages: g_value_set_boolean(value, settings.messages); break;
    case kThreads: g_value_set_uint(value, settings.threads); break;
    case kGenerateProperties: break;
  }
}

GeneratorOptions ToOptions(const GenerateSettings& settings) {
  GeneratorOptions options{.sampling = settings.sampling};
  for (std::string_view left = settings.stop; !left.empty();) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    if (!line.empty()) options.stops.emplace_back(line);
  }
  return options;
}

}  // namespace rill
