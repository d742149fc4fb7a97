// Transcribers over the tiny recogniser of tests/goldens: against PyTorch, and against themselves
// in every arrangement. Its weights are random, so its words are, too: what matters is that they
// are the same.
#include "pipeline/transcriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "tests/fuzz/speech_fuzz.h"
#include "tests/support/sound.h"

namespace rill::testing {
namespace {

const std::string kGoldens = RILL_SOURCE_DIR "/tests/goldens/";

std::shared_ptr<const Model> TinyRecogniser() {
  return *Model::Shared(kGoldens + "speech_model.gguf");
}

std::vector<float> Golden(const std::string& name) {
  const auto golden = *Weights::Open(kGoldens + "speech_model_golden.gguf");
  const Tensor& tensor = golden->tensors().at(name);
  std::vector<float> out(tensor.elements());
  ToFloat(tensor.type, tensor.bytes, out);
  return out;
}

void ExpectNear(std::span<const float> got, std::span<const float> want, float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  float largest = 1;
  for (const float value : want) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * largest) << i;
}

Transcriber Open(const TranscribeOptions& options = {}) {
  auto stream = Transcriber::Open(TinyRecogniser(), options);
  EXPECT_TRUE(stream) << stream.error().message;
  return std::move(*stream);
}

std::string Text(const std::vector<TranscriptEvent>& events) {
  std::string text;
  for (const TranscriptEvent& event : events)
    text += event.word ? event.word->text + "@" + std::to_string(event.word->start) + "-" +
                             std::to_string(event.word->end) + "~" +
                             std::to_string(event.word->confidence) + " "
                       : "| ";
  return text;
}

// The text of samples pushed in pieces of that many.
std::string Transcribe(Transcriber stream, std::span<const float> samples, size_t piece) {
  std::string text;
  for (size_t at = 0; at < samples.size(); at += piece) {
    EXPECT_TRUE(stream.Push(samples.subspan(at, std::min(piece, samples.size() - at))));
    text += Text(stream.Take());
  }
  EXPECT_TRUE(stream.Finish());
  return text + Text(stream.Take());
}

std::vector<TranscribeOptions> AllDecoders() {
  std::vector<TranscribeOptions> all = {{.decoder = DecoderKind::kGreedy},
                                        {.decoder = DecoderKind::kBeam},
                                        {.decoder = DecoderKind::kLexicon}};
  all.back().language_model = *NgramLm::Open(kGoldens + "ngram.lm");
  all.back().min_confidence = 0.05f;  // some words wait for a surer one
  return all;
}

TEST(AudioStage, AgreesWithPyTorch) {
  const std::vector<float> samples = Golden("samples");
  auto stage = AudioStage::Open(TinyRecogniser());
  BackboneStage backbone(TinyRecogniser(), 1);
  ASSERT_TRUE(stage);
  FrameBlock block(1, TinyRecogniser()->backbone().width());
  std::vector<float> embedding, hidden;
  for (std::span<const float> rest = samples; !rest.empty();) {
    const auto taken = stage->Take(rest, block);
    rest = rest.subspan(taken.samples);
    if (!taken.complete) continue;
    embedding.insert(embedding.end(), block.values.begin(), block.values.end());
    ASSERT_TRUE(backbone.Run(block));
    hidden.insert(hidden.end(), block.values.begin(), block.values.end());
  }
  ExpectNear(embedding, Golden("embedding"), 3e-5f);
  ExpectNear(hidden, Golden("hidden"), 5e-5f);
}

TEST(TranscribeHead, AgreesWithPyTorch) {
  const auto model = TinyRecogniser();
  const TranscribeHead& head = *model->transcribe();
  const std::vector<float> hidden = Golden("hidden");
  for (const size_t lookahead : {0, 2}) {
    State state(head.layout());
    Scratch scratch(head.ScratchFloats());
    std::vector<float> got, frame(head.outputs());
    for (size_t at = 0; at < hidden.size(); at += head.width())
      if (head.Step(std::span(hidden).subspan(at, head.width()), lookahead, state.lane(0), scratch,
                    frame))
        got.insert(got.end(), frame.begin(), frame.end());
    ExpectNear(got, Golden("log_probabilities." + std::to_string(lookahead)), 3e-5f);
  }
}

TEST(Transcriber, TextDoesNotDependOnPieces) {
  const std::vector<float> samples = MakeSound(16000 * 8 + 123, 1);
  for (const TranscribeOptions& options : AllDecoders()) {
    const std::string want = Transcribe(Open(options), samples, samples.size());
    EXPECT_GT(want.size(), 40u) << "the test hears too little";
    for (const size_t piece : {1, 16, 159, 160, 640, 641, 4000})
      EXPECT_EQ(Transcribe(Open(options), samples, piece), want) << piece;
  }
}

TEST(Transcriber, GoesOnFromASnapshotAnywhere) {
  const std::vector<float> samples = MakeSound(16000 * 4, 2);
  for (const TranscribeOptions& options : AllDecoders()) {
    const std::string want = Transcribe(Open(options), samples, samples.size());
    for (size_t cut = 0; cut < samples.size(); cut += 3331) {
      Transcriber first = Open(options), second = Open(options);
      ASSERT_TRUE(first.Push(std::span(samples).first(cut)));
      const std::string before = Text(first.Take());
      const auto bytes = first.Save();
      ASSERT_TRUE(second.Push(std::span(samples).first(999)));  // whatever it heard is forgotten
      const auto restored = second.Restore(bytes);
      ASSERT_TRUE(restored) << restored.error().message;
      EXPECT_EQ(second.position(), static_cast<int64_t>(cut));
      EXPECT_EQ(second.Save(), bytes);
      EXPECT_EQ(before + Transcribe(second, std::span(samples).subspan(cut), 500), want) << cut;
    }
  }
}

// The checksum is right in each: what protects the stream is what the stages check.
TEST(Transcriber, SurvivesSnapshotsWithAnyWordSetToExtremes) {
  constexpr uint64_t kNan = 0x7ff8000000000000, kNans = 0x7fc000007fc00000;
  for (uint8_t decoder = 0; decoder < 3; ++decoder) {
    size_t accepted = 0, refused = 0;
    for (uint8_t part = 0; TranscriptPartBytes(decoder, part) > 0; ++part)
      for (size_t offset = 0; offset < TranscriptPartBytes(decoder, part); offset += 56)
        for (const uint64_t value : {uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 32, kNan, kNans}) {
          const SnapshotEdit edit{part, static_cast<uint16_t>(offset), value};
          ++(FuzzTranscript(decoder, std::span(&edit, 1)) ? accepted : refused);
        }
    EXPECT_GT(accepted, 0u);
    EXPECT_GT(refused, 0u);
  }
}

TEST(Transcriber, ReadsLexiconsOfAnyText) {
  std::mt19937_64 random(12);
  constexpr std::string_view kBytes = "abd \t\r\n;#()'0129SBDEYA\xff";
  size_t read = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = "abs AE1 B S\nace(2) EY S\n# no word\ndab D AE0 B\n";
    for (size_t edits = random() % 4; edits > 0; --edits) {
      const size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0: text[at] = byte; break;
        case 1: text.insert(at, 1, byte); break;
        default: text.erase(at, 1 + random() % 5); break;
      }
      if (text.empty()) break;
    }
    read += FuzzLexicon(text);
  }
  EXPECT_GT(read, 300u);
  EXPECT_LT(read, 3000u);
}

TEST(Transcriber, ForksGoTheirOwnWay) {
  const std::vector<float> samples = MakeSound(16000 * 3, 3), other = MakeSound(16000 * 3, 4);
  for (const TranscribeOptions& options : AllDecoders()) {
    Transcriber stream = Open(options);
    ASSERT_TRUE(stream.Push(samples));
    Transcriber fork = stream.Fork();
    ASSERT_TRUE(fork.Push(other));
    const std::string want = Transcribe(stream.Fork(), samples, 777);
    EXPECT_EQ(Transcribe(stream, samples, 1000), want);
  }
}

TEST(Transcriber, EveryLookaheadHearsTheLastSample) {
  for (const size_t lookahead : {0, 1, 2, 4}) {
    Transcriber stream = Open({.lookahead = lookahead, .decoder = DecoderKind::kGreedy});
    EXPECT_EQ(stream.latency(), (1 + lookahead) * 640);
    ASSERT_TRUE(stream.Push(std::vector<float>(641)));
    ASSERT_TRUE(stream.Finish());
    // Two frames, and eight of silence, which the model file asks for.
    EXPECT_EQ(stream.position(), 10 * 640);
  }
}

TEST(Transcriber, RefusesWhatDoesNotFit) {
  EXPECT_EQ(Transcriber::Open(TinyRecogniser(), {.lookahead = 5}).error().message,
            "a lookahead of 5 frames, the model has 0 to 4");
  EXPECT_FALSE(Transcriber::Open(TinyRecogniser(), {.endpoint = {.pause_s = 0}}));
  EXPECT_FALSE(Transcriber::Open(TinyRecogniser(), {.endpoint = {.pause_s = std::nan("")}}));
  EXPECT_EQ(Transcriber::Open(TinyRecogniser(), {.min_confidence = 2}).error().message,
            "a least confidence of 2.000000, it must be from 0 to 1");
  const auto sensors = *Model::Shared(kGoldens + "sensor_model.gguf");
  EXPECT_THAT(Transcriber::Open(sensors, {}).error().message,
              ::testing::HasSubstr("the model has no audio encoder"));

  Transcriber stream = Open({.decoder = DecoderKind::kGreedy});
  ASSERT_TRUE(stream.Push(MakeSound(5000, 5)));
  const auto bytes = stream.Save();
  EXPECT_FALSE(Open({.decoder = DecoderKind::kBeam}).Restore(bytes));
  EXPECT_THAT(
      Open({.lookahead = 0, .decoder = DecoderKind::kGreedy}).Restore(bytes).error().message,
      ::testing::HasSubstr("a lookahead of 2 frames, the stream has 0"));
  for (size_t count = 0; count < bytes.size(); count += 97)
    EXPECT_FALSE(stream.Restore(std::span(bytes).first(count)));
}

TEST(Transcriber, PronunciationsAddWordsToTheLexicon) {
  TranscribeOptions options = AllDecoders().back();
  const auto error = [&] {
    const auto opened = Transcriber::Open(TinyRecogniser(), options);
    return opened ? std::string() : opened.error().message;
  };
  options.search.hotwords = {{"rill", 2}};
  EXPECT_EQ(error(),
            "hotword \"rill\": the lexicon does not say how \"rill\" is pronounced; a file of "
            "pronunciations can");
  const std::string path = ::testing::TempDir() + "rill_pronunciations_" + std::to_string(getpid());
  options.pronunciations = path;
  EXPECT_EQ(error(), path + ": cannot read pronunciations: it is no readable file");
  std::ofstream(path) << "# ours\nrill R IH L\n";
  EXPECT_EQ(error(), "");
  std::ofstream(path) << "rill R IH LL\n";
  EXPECT_EQ(error(), path + ", line 1: \"LL\" is no phone of the model");
  std::filesystem::remove(path);
  options = {.decoder = DecoderKind::kLexicon};
  EXPECT_EQ(error(), "a search by phones needs a language model, and there is none");
}

TEST(Transcriber, WritesNothingDownThatNoWordIsSureOf) {
  const std::vector<float> samples = MakeSound(16000 * 8, 1);
  TranscribeOptions options = AllDecoders().back();
  options.min_confidence = 0.5f;
  Transcriber stream = Open(options);
  ASSERT_TRUE(stream.Push(samples));
  EXPECT_TRUE(stream.Partial().empty());
  ASSERT_TRUE(stream.Finish());
  EXPECT_TRUE(stream.Take().empty());
}

TEST(Transcriber, ByItselfSearchesPhonesWithALanguageModel) {
  const std::vector<float> samples = MakeSound(16000 * 3, 8);
  TranscribeOptions options = AllDecoders().back();
  const std::string phones = Transcribe(Open(options), samples, samples.size());
  options.decoder = DecoderKind::kBeam;
  const std::string pieces = Transcribe(Open(options), samples, samples.size());
  options.decoder = DecoderKind::kAuto;
  EXPECT_NE(phones, pieces);
  EXPECT_EQ(Transcribe(Open(options), samples, samples.size()), phones);
  EXPECT_EQ(Transcribe(Open(), samples, 999),
            Transcribe(Open({.decoder = DecoderKind::kBeam}), samples, 999));
}

TEST(Transcriber, TakesSamplesThatAreNotFiniteAsSilence) {
  std::vector<float> samples = MakeSound(16000 * 2, 6), silenced = samples;
  for (size_t i = 100; i < samples.size(); i += 1001) {
    samples[i] = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN()
                            : std::numeric_limits<float>::infinity();
    silenced[i] = 0;
  }
  Transcriber stream = Open();
  ASSERT_TRUE(stream.Push(samples));
  EXPECT_EQ(stream.unsound(), 32);
  EXPECT_EQ(Transcribe(Open(), samples, 333), Transcribe(Open(), silenced, 16000));
}

TEST(Transcriber, SurvivesSoundOfAnyLoudness) {
  for (const float gain : {1e30f, 1e10f, 32768.0f, 1e-30f}) {
    std::vector<float> samples = MakeSound(16000, 7);
    for (float& sample : samples) sample *= gain;
    Transcriber stream = Open();
    const auto pushed = stream.Push(samples);
    EXPECT_TRUE(pushed) << gain << ": " << pushed.error().message;
  }
}

TEST(Transcriber, StateStaysTheSameSizeForEver) {
  Transcriber stream = Open({.decoder = DecoderKind::kGreedy});
  const std::vector<float> silence(16000);
  ASSERT_TRUE(stream.Push(silence));
  EXPECT_GE(stream.state_bytes(), 1000u);
  const size_t before = stream.Save().size();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(stream.Push(MakeSound(16000, static_cast<uint64_t>(i))));
    stream.Take();
  }
  EXPECT_LT(stream.Save().size(), before + 20000) << "a state that grows";
}

}  // namespace
}  // namespace rill::testing
