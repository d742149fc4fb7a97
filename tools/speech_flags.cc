#include "tools/speech_flags.h"

#include <algorithm>
#include <array>

#include "pipeline/language_model.h"

namespace rill {
namespace {

// In the order of DecoderKind.
constexpr std::array<std::string_view, 4> kDecoders = {"auto", "greedy", "beam", "lexicon"};

}  // namespace

void AddSpeechFlags(CLI::App& command, SpeechFlags& flags) {
  command.add_option("-m,--model", flags.model, "Model file or name")->capture_default_str();
  command
      .add_option("--lookahead", flags.lookahead,
                  "Frames of 40 ms that a result waits for; as the model says")
      ->check(CLI::Range(0, static_cast<int>(TranscribeHead::kMostLookahead)));
  command
      .add_option("--decoder", flags.decoder,
                  "greedy; beam: a search that spells any word; lexicon: one of known words by "
                  "their phones; auto: the last two, as the model allows")
      ->check(CLI::IsMember(std::vector<std::string>(kDecoders.begin(), kDecoders.end())))
      ->capture_default_str();
  command
      .add_option("--language-model", flags.language_model,
                  "N-grams for a search, ARPA or Rill's own; none for none")
      ->capture_default_str();
  command.add_option("--lm-weight", flags.lm_weight, "Weight of the language model")
      ->check(CLI::Range(0.0, 10.0));
  command.add_option("--word-bonus", flags.word_bonus, "Nats for every word")
      ->check(CLI::Range(-20.0, 20.0));
  command.add_option("--beam", flags.beam, "Texts that the beam follows")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command.add_option("--pronunciations", flags.pronunciations,
                     "File of words that the model's lexicon lacks: a line \"rill R IH L\" each");
  command.add_option("--hotwords", flags.hotwords,
                     "Words and phrases to expect: \"rill, new york\"");
  command.add_option("--hotword-boost", flags.hotword_boost, "How much likelier they are, nats")
      ->check(CLI::Range(0.01, 20.0))
      ->capture_default_str();
  command
      .add_option("--blank-penalty", flags.blank_penalty,
                  "Nats off the blank: misses fewer words, invents more")
      ->check(CLI::Range(-20.0, 20.0))
      ->capture_default_str();
  command
      .add_option("--min-confidence", flags.min_confidence,
                  "Of the surest word of an utterance: noise below it is not written down")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--pause", flags.pause_s, "Seconds of silence that end an utterance")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

Result<Transcriber> OpenTranscriber(const SpeechFlags& flags) {
  const Result<std::string> path = FindModel(flags.model);
  if (!path) return path.error();
  Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  if (!model) return model.error();
  TranscribeOptions options;
  if (flags.lookahead >= 0) options.lookahead = static_cast<size_t>(flags.lookahead);
  options.decoder =
      static_cast<DecoderKind>(std::ranges::find(kDecoders, flags.decoder) - kDecoders.begin());
  options.pronunciations = flags.pronunciations;
  options.blank_penalty = flags.blank_penalty;
  if (flags.min_confidence >= 0) options.min_confidence = static_cast<float>(flags.min_confidence);
  options.endpoint.pause_s = flags.pause_s;
  options.search.beam = flags.beam;
  if (flags.lm_weight >= 0) options.lm_weight = static_cast<float>(flags.lm_weight);
  if (flags.word_bonus >= -20) options.word_bonus = static_cast<float>(flags.word_bonus);
  options.search.hotwords = ParseHotwords(flags.hotwords, static_cast<float>(flags.hotword_boost));
  if (options.decoder != DecoderKind::kGreedy && flags.language_model != "none") {
    Result<std::shared_ptr<const NgramLm>> language_model = OpenLanguageModel(flags.language_model);
    if (!language_model) return language_model.error();
    options.language_model = std::move(*language_model);
  }
  return Transcriber::Open(std::move(*model), options);
}

}  // namespace rill
