#include "plugins/transcribe_properties.h"

#include "pipeline/language_model.h"
#include "plugins/element.h"
#include "plugins/stage.h"

namespace rill {
namespace {

constexpr guint kMostMilliseconds = 3600 * 1000;

GType DecoderType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(DecoderKind::kAuto),
         "lexicon where the model has phones and there is a language model, else beam", "auto"},
        {static_cast<gint>(DecoderKind::kGreedy),
         "the likeliest piece of every frame: partial "
         "results only ever grow",
         "greedy"},
        {static_cast<gint>(DecoderKind::kBeam),
         "prefix beam search over pieces of words, which spells any word", "beam"},
        {static_cast<gint>(DecoderKind::kLexicon),
         "prefix beam search over phones, of the words of a lexicon", "lexicon"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmDecoder", values);
  }();
  return type;
}

// The specification of a property, its default that of `usual`.
GParamSpec* Spec(TranscribeProperty property, const TranscribeSettings& usual) {
  switch (property) {
    case kLookahead:
      return g_param_spec_int(
          "lookahead", "Lookahead",
          "Frames that a result waits for, for fewer errors; -1: as the model says", -1,
          static_cast<gint>(TranscribeHead::kMostLookahead), usual.lookahead, kInReady);
    case kDecoder:
      return g_param_spec_enum("decoder", "Decoder", "How words are found", DecoderType(),
                               static_cast<gint>(usual.decoder), kInReady);
    case kLanguageModel:
      return g_param_spec_string("language-model", "Language model",
                                 "File of n-grams, ARPA or Rill's own, or the name "
                                 "of one in RILL_MODEL_PATH or shipped; empty: none",
                                 usual.language_model.c_str(), kInReady);
    case kPronunciations:
      return g_param_spec_string("pronunciations", "Pronunciations",
                                 "File of words that the model's lexicon lacks, for "
                                 "decoder=lexicon: a line \"rill R IH L\" "
                                 "each; empty: none",
                                 usual.pronunciations.c_str(), kInReady);
    case kHotwords:
      return g_param_spec_string("hotwords", "Hotwords",
                                 "Words and phrases to expect, separated by commas",
                                 usual.hotwords.c_str(), kInReady);
    case kHotwordBoost:
      return g_param_spec_double("hotword-boost", "Hotword boost",
                                 "How much likelier hotwords are, nats a phrase", 0.01, 20,
                                 usual.hotword_boost, kInReady);
    case kBlankPenalty:
      return g_param_spec_double("blank-penalty", "Blank penalty",
                                 "Nats taken from the blank: more of it misses fewer words and "
                                 "invents more",
                                 -20, 20, usual.blank_penalty, kInReady);
    case kBeam:
      return g_param_spec_uint("beam", "Beam", "Texts that a search follows", 1, 512, usual.beam,
                               kInReady);
    case kLmWeight:
      return g_param_spec_double("lm-weight", "LM weight",
                                 "Weight of the language model; -1: as suits the decoder", -1, 10,
                                 usual.lm_weight, kInReady);
    case kWordBonus:
      return g_param_spec_double(
          "word-bonus", "Word bonus",
          "Nats for every word, against lm-weight; -100: as suits the decoder", -100, 20,
          usual.word_bonus, kInReady);
    case kMinConfidence:
      return g_param_spec_double(
          "min-confidence", "Least confidence",
          "Confidence of the surest word of an utterance, below which it is taken for noise and "
          "not written down; -1: as suits the decoder",
          -1, 1, usual.min_confidence, kInReady);
    case kPause:
      return g_param_spec_uint("pause", "Pause", "Milliseconds of silence that end an utterance", 1,
                               kMostMilliseconds, usual.pause_ms, kInReady);
    case kLongUtterance:
      return g_param_spec_uint("long-utterance", "Long utterance",
                               "Milliseconds after which long-pause ends an utterance", 1,
                               kMostMilliseconds, usual.long_ms, kInReady);
    case kLongPause:
      return g_param_spec_uint("long-pause", "Long pause",
                               "Milliseconds of silence that end a long utterance", 1,
                               kMostMilliseconds, usual.long_pause_ms, kInReady);
    case kOutput:
      return g_param_spec_enum("output", "Output", "What a buffer holds", TextOutputType(),
                               static_cast<gint>(usual.text.output), kAlways);
    case kLineLength:
      return g_param_spec_uint("line-length", "Line length", "Letters of a line, for output=line",
                               1, G_MAXUINT, usual.text.line_length, kAlways);
    case kNewline:
      return g_param_spec_boolean("newline", "Newline",
                                  "End every buffer with a line feed, for files "
                                  "and terminals",
                                  usual.text.newline, kAlways);
    case kTranscriptMessages:
      return g_param_spec_boolean(
          "messages", "Messages",
          "Post an element message lfm-transcript when the words that are not "
          "final yet change, and for every final one",
          usual.messages, kAlways);
    case kTranscriptMessageInterval:
      return g_param_spec_int64("partial-results-interval", "Partial results interval",
                                "Nanoseconds between two messages of words that are not final; -1: "
                                "none of those",
                                -1, G_MAXINT64, usual.message_interval_ns, kAlways);
    case kLatency:
      return g_param_spec_uint(
          "latency", "Latency",
          "Milliseconds to report beside what a frame needs: so long words may "
          "take to become final and still be shown when they were spoken",
          0, kMostMilliseconds, usual.latency_ms, kAlways);
    case kLateness:
      return g_param_spec_uint(
          "lateness", "Lateness",
          "Milliseconds by which text of a live stream is shown later than the sound, beside the "
          "latency, which it spares other branches of the pipeline",
          0, kMostMilliseconds, usual.lateness_ms, kInReady);
    case kLanguageCode:
      return g_param_spec_string("language-code", "Language code",
                                 "Language that is spoken, with or without a region: en, en-US",
                                 usual.language.c_str(), kInReady);
    case kTranscribeProperties: break;
  }
  return nullptr;
}

}  // namespace

TranscribeSettings::TranscribeSettings() : language_model(kDefaultLanguageModel) {}

void InstallTranscribeProperties(GObjectClass* object_class, guint first) {
  const TranscribeSettings usual;
  for (guint i = 0; i < kTranscribeProperties; ++i)
    g_object_class_install_property(object_class, first + i,
                                    Spec(static_cast<TranscribeProperty>(i), usual));
}

void SetTranscribeProperty(TranscribeSettings& settings, guint property, const GValue* value) {
  switch (static_cast<TranscribeProperty>(property)) {
    case kLookahead: settings.lookahead = g_value_get_int(value); break;
    case kDecoder: settings.decoder = static_cast<DecoderKind>(g_value_get_enum(value)); break;
    case kLanguageModel: settings.language_model = TextOf(value); break;
    case kPronunciations: settings.pronunciations = TextOf(value); break;
    case kHotwords: settings.hotwords = TextOf(value); break;
    case kHotwordBoost: settings.hotword_boost = g_value_get_double(value); break;
    case kBlankPenalty: settings.blank_penalty = g_value_get_double(value); break;
    case kBeam: settings.beam = g_value_get_uint(value); break;
    case kLmWeight: settings.lm_weight = g_value_get_double(value); break;
    case kWordBonus: settings.word_bonus = g_value_get_double(value); break;
    case kMinConfidence: settings.min_confidence = g_value_get_double(value); break;
    case kPause: settings.pause_ms = g_value_get_uint(value); break;
    case kLongUtterance: settings.long_ms = g_value_get_uint(value); break;
    case kLongPause: settings.long_pause_ms = g_value_get_uint(value); break;
    case kOutput: settings.text.output = static_cast<TextOutput>(g_value_get_enum(value)); break;
    case kLineLength: settings.text.line_length = g_value_get_uint(value); break;
    case kNewline: settings.text.newline = g_value_get_boolean(value) == TRUE; break;
    case kTranscriptMessages: settings.messages = g_value_get_boolean(value) == TRUE; break;
    case kTranscriptMessageInterval: settings.message_interval_ns = g_value_get_int64(value); break;
    case kLatency: settings.latency_ms = g_value_get_uint(value); break;
    case kLateness: settings.lateness_ms = g_value_get_uint(value); break;
    case kLanguageCode: settings.language = TextOf(value); break;
    case kTranscribeProperties: break;
  }
}

void GetTranscribeProperty(const TranscribeSettings& settings, guint property, GValue* value) {
  switch (static_cast<TranscribeProperty>(property)) {
    case kLookahead: g_value_set_int(value, settings.lookahead); break;
    case kDecoder: g_value_set_enum(value, static_cast<gint>(settings.decoder)); break;
    case kLanguageModel: g_value_set_string(value, settings.language_model.c_str()); break;
    case kPronunciations: g_value_set_string(value, settings.pronunciations.c_str()); break;
    case kHotwords: g_value_set_string(value, settings.hotwords.c_str()); break;
    case kHotwordBoost: g_value_set_double(value, settings.hotword_boost); break;
    case kBlankPenalty: g_value_set_double(value, settings.blank_penalty); break;
    case kBeam: g_value_set_uint(value, settings.beam); break;
    case kLmWeight: g_value_set_double(value, settings.lm_weight); break;
    case kWordBonus: g_value_set_double(value, settings.word_bonus); break;
    case kMinConfidence: g_value_set_double(value, settings.min_confidence); break;
    case kPause: g_value_set_uint(value, settings.pause_ms); break;
    case kLongUtterance: g_value_set_uint(value, settings.long_ms); break;
    case kLongPause: g_value_set_uint(value, settings.long_pause_ms); break;
    case kOutput: g_value_set_enum(value, static_cast<gint>(settings.text.output)); break;
    case kLineLength: g_value_set_uint(value, settings.text.line_length); break;
    case kNewline: g_value_set_boolean(value, settings.text.newline); break;
    case kTranscriptMessages: g_value_set_boolean(value, settings.messages); break;
    case kTranscriptMessageInterval: g_value_set_int64(value, settings.message_interval_ns); break;
    case kLatency: g_value_set_uint(value, settings.latency_ms); break;
    case kLateness: g_value_set_uint(value, settings.lateness_ms); break;
    case kLanguageCode: g_value_set_string(value, settings.language.c_str()); break;
    case kTranscribeProperties: break;
  }
}

Result<TranscribeOptions> ToOptions(const TranscribeSettings& settings) {
  constexpr double kMilliseconds = 1000;
  TranscribeOptions options;
  if (settings.lookahead >= 0) options.lookahead = static_cast<size_t>(settings.lookahead);
  if (settings.min_confidence >= 0)
    options.min_confidence = static_cast<float>(settings.min_confidence);
  options.blank_penalty = settings.blank_penalty;
  options.endpoint = {settings.pause_ms / kMilliseconds, settings.long_ms / kMilliseconds,
                      settings.long_pause_ms / kMilliseconds};
  options.decoder = settings.decoder;
  if (options.decoder == DecoderKind::kGreedy) return options;
  options.pronunciations = settings.pronunciations;
  options.search.beam = settings.beam;
  if (settings.lm_weight >= 0) options.lm_weight = static_cast<float>(settings.lm_weight);
  if (settings.word_bonus >= -20) options.word_bonus = static_cast<float>(settings.word_bonus);
  options.search.hotwords =
      ParseHotwords(settings.hotwords, static_cast<float>(settings.hotword_boost));
  if (settings.language_model.empty()) return options;
  Result<std::shared_ptr<const NgramLm>> language_model =
      OpenLanguageModel(settings.language_model);
  if (!language_model) return language_model.error();
  options.language_model = std::move(*language_model);
  return options;
}

}  // namespace rill
