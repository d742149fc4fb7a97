#include "tests/fuzz/speech_fuzz.h"

#include <array>
#include <vector>

#include "pipeline/transcriber.h"
#include "tests/support/sound.h"

namespace rill::testing {
namespace {

constexpr size_t kSamples = 16000 / 4;

Transcriber Open(uint8_t decoder) {
  static const std::string goldens = RILL_SOURCE_DIR "/tests/goldens/";
  static const std::shared_ptr<const Model> model = *Model::Load(goldens + "speech_model.gguf");
  static const std::shared_ptr<const NgramLm> lm = *NgramLm::Open(goldens + "ngram.lm");
  constexpr DecoderKind kKinds[] = {DecoderKind::kGreedy, DecoderKind::kBeam,
                                    DecoderKind::kLexicon};
  TranscribeOptions options{.decoder = kKinds[decoder % 3], .language_model = lm};
  options.search.beam = 4;
  return *Transcriber::Open(model, options);
}

// What a stream of that decoder is after some words.
const Snapshot& Whole(uint8_t decoder) {
  static const std::array<Snapshot, 3> wholes = [] {
    std::array<Snapshot, 3> made;
    for (uint8_t kind = 0; kind < made.size(); ++kind) {
      Transcriber stream = Open(kind);
      static_cast<void>(stream.Push(MakeSound(kSamples, 1)));
      made[kind] = *Snapshot::Parse(stream.Save());
    }
    return made;
  }();
  return wholes[decoder % 3];
}

void GoOn(Transcriber& stream) {
  static const std::vector<float> sound = MakeSound(kSamples, 2);
  static_cast<void>(stream.Push(sound));
  static_cast<void>(stream.Partial());
  static_cast<void>(stream.Finish());
  static_cast<void>(stream.Take());
  static_cast<void>(stream.Save());
}

}  // namespace

bool FuzzLexicon(std::string_view text) {
  static const std::vector<std::string> phones = {"", "AE", "B", "D", "EY", "S"};
  const Lexicon::Source source{text, "fuzz"};
  const auto lexicon = Lexicon::Make(phones, std::span(&source, 1));
  if (!lexicon) return false;
  for (uint32_t i = 0; i < (*lexicon)->size(); ++i) {
    PrefixRange range = (*lexicon)->All();
    for (const char phone : (*lexicon)->Phones(i)) range = (*lexicon)->Narrow(range, phone);
    const PrefixRange exact = (*lexicon)->Exact(range);
    if (i < exact.first || i >= exact.last || !(*lexicon)->Knows((*lexicon)->Word(i)))
      __builtin_trap();
  }
  return true;
}

size_t TranscriptPartBytes(uint8_t decoder, size_t part) {
  const std::vector<Snapshot::Part>& parts = Whole(decoder).parts;
  return part < parts.size() ? parts[part].bytes.size() : 0;
}

bool FuzzTranscript(uint8_t decoder, std::span<const SnapshotEdit> edits) {
  Transcriber stream = Open(decoder);
  if (!stream.Restore(Edited(Whole(decoder), edits).Serialize())) return false;
  GoOn(stream);
  return true;
}

void FuzzSpeech(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const auto kind = static_cast<uint8_t>(bytes[0]);
  bytes = bytes.subspan(1);
  FuzzLexicon({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  FuzzTranscript(kind, ReadEdits(bytes));
}

}  // namespace rill::testing

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::testing::FuzzSpeech(std::as_bytes(std::span(data, bytes)));
  return 0;
}
#endif
