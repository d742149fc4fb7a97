#include "tools/speech_flags.h"

#include "pipeline/language_model.h"

namespace rill {

void AddSpeechFlags(CLI::App& command, SpeechFlags& flags) {
  command.add_option("-m,--model", flags.model, "Model file or name")->capture_default_str();
  command
      .add_option("--lookahead", flags.lookahead,
                  "Frames of 40 ms that a result waits for; as the model says")
      ->check(CLI::Range(0, static_cast<int>(TranscribeHead::kMostLookahead)));
  command.add_option("--decoder", flags.decoder, "greedy, or beam: search with a language model")
      ->check(CLI::IsMember({"greedy", "beam"}))
      ->capture_default_str();
  command
      .add_option("--language-model", flags.language_model,
                  "N-grams for the beam, ARPA or Rill's own; none for none")
      ->capture_default_str();
  command.add_option("--lm-weight", flags.lm_weight, "Weight of the language model")
      ->check(CLI::Range(0.0, 10.0));
  command.add_option("--word-bonus", flags.word_bonus, "Nats for every word")
      ->check(CLI::Range(-20.0, 20.0));
  command.add_option("--beam", flags.beam, "Texts that the beam follows")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
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
  options.beam = flags.decoder == "beam";
  options.blank_penalty = flags.blank_penalty;
  options.endpoint.pause_s = flags.pause_s;
  options.search.beam = flags.beam;
  if (flags.lm_weight >= 0) options.search.lm_weight = static_cast<float>(flags.lm_weight);
  if (flags.word_bonus >= -20) options.search.word_bonus = static_cast<float>(flags.word_bonus);
  options.search.hotwords = ParseHotwords(flags.hotwords, static_cast<float>(flags.hotword_boost));
  if (options.beam && flags.language_model != "none") {
    Result<std::shared_ptr<const NgramLm>> language_model = OpenLanguageModel(flags.language_model);
    if (!language_model) return language_model.error();
    options.language_model = std::move(*language_model);
  }
  return Transcriber::Open(std::move(*model), options);
}

}  // namespace rill
