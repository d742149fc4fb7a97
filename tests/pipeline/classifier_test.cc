// Classifiers over the tiny models of tests/goldens: against PyTorch, and against themselves in
// every arrangement; events against a plain reading of their rules.
#include "pipeline/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "pipeline/class_json.h"
#include "tests/support/sound.h"

namespace rill::testing {
namespace {

using ::testing::HasSubstr;

const std::string kGoldens = RILL_SOURCE_DIR "/tests/goldens/";

std::shared_ptr<const Model> Load(const std::string& name) {
  return *Model::Shared(kGoldens + name + ".gguf");
}

std::vector<float> Golden(const std::string& file, const std::string& name) {
  const auto golden = *Weights::Open(kGoldens + file + "_golden.gguf");
  const Tensor& tensor = golden->tensors().at(name);
  std::vector<float> out(tensor.elements());
  ToFloat(tensor.type, tensor.bytes, out);
  return out;
}

Classifier Open(const std::string& model, Medium medium, const ClassifyOptions& options = {}) {
  auto stream = Classifier::Open(Load(model), medium, options);
  EXPECT_TRUE(stream) << stream.error().message;
  return std::move(*stream);
}

Classifier OpenSounds(const EventRules& rules = {}) {
  return Open("omni_model", Medium::kSound, {.head = "sounds", .events = rules});
}

// Pictures of noise that the models of images must scale.
std::vector<uint8_t> Noise(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> noise(bytes);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
  return noise;
}

Picture AsPicture(const std::vector<uint8_t>& rgb, size_t width) {
  return {.format = PixelFormat::kRgb,
          .width = width,
          .height = rgb.size() / (3 * width),
          .planes = {rgb.data()},
          .strides = {3 * width}};
}

// Everything that comes out of a stream of sound in pieces of that many samples.
struct Outcome {
  std::vector<std::vector<float>> probabilities;  // of each frame
  std::vector<ClassEvent> events;
};

void Listen(Classifier& stream, std::span<const float> samples, size_t piece, Outcome& outcome) {
  for (size_t at = 0; at < samples.size(); at += piece) {
    auto part = samples.subspan(at, std::min(piece, samples.size() - at));
    while (!part.empty()) {
      const auto taken = stream.Push(part);
      ASSERT_TRUE(taken);
      part = part.subspan(taken->samples);
      if (!taken->complete) continue;
      const auto p = stream.head().probabilities();
      outcome.probabilities.emplace_back(p.begin(), p.end());
      for (const ClassEvent& event : stream.Take()) outcome.events.push_back(event);
    }
  }
}

bool operator==(const ClassEvent& a, const ClassEvent& b) {
  return a.label == b.label && a.begins == b.begins && a.frame == b.frame &&
         a.confidence == b.confidence;
}

void ExpectEqual(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.probabilities, b.probabilities);
  ASSERT_EQ(a.events.size(), b.events.size());
  for (size_t i = 0; i < a.events.size(); ++i) EXPECT_TRUE(a.events[i] == b.events[i]) << i;
}

TEST(Classifier, HearsSoundsAsPyTorchDoes) {
  const std::vector<float> samples = Golden("speech_model", "samples");
  const std::vector<float> want = Golden("omni_model", "probabilities");
  Classifier stream = OpenSounds();
  Outcome outcome;
  Listen(stream, samples, samples.size(), outcome);
  ASSERT_EQ(outcome.probabilities.size() * 3, want.size());
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(outcome.probabilities[i / 3][i % 3], want[i], 3e-5f) << i;
}

TEST(Classifier, SeesPicturesAsPyTorchDoes) {
  const std::vector<float> pixels = Golden("image_model", "pixels");
  const std::vector<float> want = Golden("image_model", "probabilities");
  Classifier stream = Open("image_model", Medium::kPictures);
  const size_t bytes = 9 * 14 * 3;
  for (size_t t = 0; t < want.size() / 3; ++t) {
    const std::vector<uint8_t> rgb(pixels.begin() + static_cast<std::ptrdiff_t>(t * bytes),
                                   pixels.begin() + static_cast<std::ptrdiff_t>((t + 1) * bytes));
    ASSERT_TRUE(stream.Push(AsPicture(rgb, 14)));
    for (size_t i = 0; i < 3; ++i)
      ASSERT_NEAR(stream.head().probabilities()[i], want[3 * t + i], 1e-5f) << t;
  }
  EXPECT_EQ(stream.position(), 4);
}

TEST(Classifier, PiecesOfSoundDoNotMatter) {
  const std::vector<float> samples = MakeSound(16000 * 3 + 77, 3);
  Classifier whole = OpenSounds();
  Outcome want;
  Listen(whole, samples, samples.size(), want);
  EXPECT_GT(want.probabilities.size(), 70u);
  for (const size_t piece : {1, 159, 640, 5000}) {
    Classifier stream = OpenSounds();
    Outcome got;
    Listen(stream, samples, piece, got);
    ExpectEqual(got, want);
    EXPECT_EQ(stream.head().Mean(), whole.head().Mean());
  }
}

TEST(Classifier, GoesOnFromASnapshotAnywhere) {
  const std::vector<float> samples = MakeSound(16000 * 2, 4);
  const EventRules rules = {.on = 0.5f, .off = 0.49f, .on_frames = 3, .off_frames = 2};
  Classifier whole = OpenSounds(rules);
  Outcome want;
  Listen(whole, samples, 999, want);
  EXPECT_FALSE(want.events.empty()) << "the test hears too little";
  for (size_t cut = 0; cut < samples.size(); cut += 2777) {
    Classifier first = OpenSounds(rules), second = OpenSounds(rules);
    Outcome got, forgotten;
    Listen(first, std::span(samples).first(cut), 500, got);
    Listen(second, std::span(samples).first(1234), 500, forgotten);
    const auto bytes = first.Save();
    ASSERT_TRUE(second.Restore(bytes));
    EXPECT_EQ(second.position(), static_cast<int64_t>(cut));
    EXPECT_EQ(second.Save(), bytes);
    Listen(second, std::span(samples).subspan(cut), 500, got);
    ExpectEqual(got, want);
    EXPECT_EQ(second.head().Mean(), whole.head().Mean());
  }
}

TEST(Classifier, VideoGoesOnFromASnapshot) {
  const auto rgb = Noise(3 * 20 * 31, 6), other = Noise(3 * 20 * 31, 7);
  Classifier whole = Open("image_model", Medium::kPictures);
  for (const auto& picture : {rgb, other, rgb}) ASSERT_TRUE(whole.Push(AsPicture(picture, 20)));
  Classifier first = Open("image_model", Medium::kPictures), second = first;
  ASSERT_TRUE(first.Push(AsPicture(rgb, 20)));
  ASSERT_TRUE(first.Push(AsPicture(other, 20)));
  ASSERT_TRUE(second.Restore(first.Save()));
  ASSERT_TRUE(second.Push(AsPicture(rgb, 20)));
  EXPECT_EQ(second.Save(), whole.Save());
  EXPECT_TRUE(std::ranges::equal(second.head().probabilities(), whole.head().probabilities()));
  // A fresh stream sees the same picture otherwise: the state remembers.
  second.Reset();
  ASSERT_TRUE(second.Push(AsPicture(rgb, 20)));
  EXPECT_FALSE(std::ranges::equal(second.head().probabilities(), whole.head().probabilities()));
}

TEST(Classifier, ABadPictureLeavesTheStreamAsItWas) {
  const auto rgb = Noise(3 * 20 * 31, 8);
  Classifier stream = Open("image_model", Medium::kPictures);
  ASSERT_TRUE(stream.Push(AsPicture(rgb, 20)));
  const auto before = stream.Save();
  Picture bad = AsPicture(rgb, 20);
  bad.strides[0] = 5;
  EXPECT_FALSE(stream.Push(bad));
  EXPECT_EQ(stream.Save(), before);
}

TEST(Classifier, RefusesDamagedSnapshots) {
  Classifier stream = OpenSounds();
  Outcome outcome;
  Listen(stream, MakeSound(16000, 9), 4000, outcome);
  const auto bytes = stream.Save();
  std::mt19937_64 random(10);
  for (int i = 0; i < 200; ++i) {
    auto damaged = bytes;
    damaged[random() % damaged.size()] ^= static_cast<std::byte>(1 + random() % 255);
    EXPECT_FALSE(stream.Restore(damaged));
    damaged.resize(random() % damaged.size());
    EXPECT_FALSE(stream.Restore(damaged));
  }
  EXPECT_EQ(stream.Save(), bytes);
  // Of the right form, with numbers that no stream leads to.
  Snapshot snapshot = *Snapshot::Parse(bytes);
  const auto with = [&](size_t word, int64_t value) {
    Snapshot changed = snapshot;
    for (Snapshot::Part& part : changed.parts)
      if (part.name == "classify.sounds")
        std::memcpy(part.bytes.data() + 8 * word, &value, sizeof value);
    return stream.Restore(changed.Serialize());
  };
  EXPECT_THAT(with(0, -1).error().message, HasSubstr("classify.sounds"));  // frames
  EXPECT_FALSE(with(1, 2));                                                // is on
  EXPECT_FALSE(with(2, 1'000'000));                                        // frames in a row
  EXPECT_TRUE(with(2, 1));
}

// The events of probabilities by the rules, for one label.
std::vector<ClassEvent> PlainEvents(const std::vector<std::vector<float>>& p, size_t label,
                                    const EventRules& rules) {
  std::vector<ClassEvent> events;
  bool on = false;
  float most = 0;
  const auto count = static_cast<int64_t>(p.size());
  const auto at = [&](int64_t t) { return p[static_cast<size_t>(t)][label]; };
  for (int64_t t = 0; t < count; ++t) {
    const int64_t needed = on ? rules.off_frames : rules.on_frames;
    int64_t run = 0;
    // Frames in a row up to this one, none of which has already turned the label.
    const int64_t since =
        events.empty() ? 0 : events.back().frame + (on ? rules.on_frames : rules.off_frames);
    while (run < needed && t - run >= since &&
           (on ? at(t - run) < rules.off : at(t - run) >= rules.on))
      ++run;
    if (on) most = std::max(most, at(t));
    if (run < needed) continue;
    on = !on;
    if (on) {
      most = 0;
      for (int64_t i = 0; i < run; ++i) most = std::max(most, at(t - i));
    }
    events.push_back({label, on, t - needed + 1, most});
  }
  if (on) events.push_back({label, false, count, most});
  return events;
}

TEST(Classifier, EventsFollowTheirRules) {
  const std::vector<float> samples = MakeSound(16000 * 12, 11);
  for (const EventRules& rules :
       {EventRules{.on = 0.5f, .off = 0.5f}, EventRules{.on = 0.55f, .off = 0.45f},
        EventRules{.on = 0.5f, .off = 0.48f, .on_frames = 4, .off_frames = 3}}) {
    Classifier stream = OpenSounds(rules);
    Outcome outcome;
    Listen(stream, samples, 640, outcome);
    stream.Finish();
    for (const ClassEvent& event : stream.Take()) outcome.events.push_back(event);
    for (size_t label = 0; label < 3; ++label) {
      EXPECT_FALSE(stream.head().IsOn(label));
      std::vector<ClassEvent> got;
      std::ranges::copy_if(outcome.events, std::back_inserter(got),
                           [&](const ClassEvent& event) { return event.label == label; });
      const std::vector<ClassEvent> want = PlainEvents(outcome.probabilities, label, rules);
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_TRUE(got[i] == want[i]) << label << " " << i;
      }
    }
  }
}

TEST(Classifier, SaysWhatItCannotDo) {
  const auto error = [](const std::string& model, Medium medium, const ClassifyOptions& options) {
    const auto opened = Classifier::Open(Load(model), medium, options);
    return opened ? "" : opened.error().message;
  };
  EXPECT_THAT(error("omni_model", Medium::kSound, {}),
              HasSubstr("heads classify.pictures, classify.sounds; say which"));
  EXPECT_THAT(error("omni_model", Medium::kSound, {.head = "smells"}), HasSubstr("\"smells\""));
  EXPECT_EQ(error("omni_model", Medium::kPictures, {.head = "classify.pictures"}), "");
  EXPECT_THAT(error("image_model", Medium::kSound, {}), HasSubstr("no audio encoder"));
  EXPECT_THAT(error("speech_model", Medium::kSound, {}), HasSubstr("no classify head"));
  for (const EventRules& rules :
       {EventRules{.on = 0.4f, .off = 0.6f}, EventRules{.off = 0}, EventRules{.on = 1.5f},
        EventRules{.on_frames = 0}, EventRules{.off_frames = 1'000'000}})
    EXPECT_THAT(error("image_model", Medium::kPictures, {.events = rules}),
                HasSubstr("events that"));
}

TEST(Classifier, RefusesLabelsThatCannotBePrinted) {
  std::ifstream file(kGoldens + "image_model.gguf", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::string label = "no shape";
  const size_t at = bytes.find(label);
  ASSERT_NE(at, std::string::npos);
  const std::string path = ::testing::TempDir() + "rill_labels." + std::to_string(getpid());
  for (const char* bad : {"no\nshape", "no\x7Fshape", "no shap\xC3", "\x1B[31mred",
                          "\xC2\x9B"
                          "31mred"}) {
    std::ofstream(path, std::ios::binary) << std::string(bytes).replace(at, label.size(), bad);
    const auto model = Model::Shared(path);
    ASSERT_FALSE(model) << bad;
    EXPECT_THAT(model.error().message, HasSubstr("label 2 is not a name of printable UTF-8"));
  }
  std::filesystem::remove(path);
}

TEST(ClassJson, IsWhatTheDocsSay) {
  Classifier stream = Open("image_model", Medium::kPictures);
  ASSERT_TRUE(stream.Push(AsPicture(Noise(3 * 20 * 31, 12), 20)));
  const auto p = stream.head().probabilities();
  const size_t best = stream.head().best();
  const std::vector<size_t> order = Likeliest(p, 2);
  EXPECT_EQ(order.size(), 2u);
  EXPECT_EQ(order[0], best);
  const std::string line = ToJson(stream.head(), 2, 80'000'000, stream.position());
  EXPECT_THAT(line, HasSubstr(R"({"running_time":80000000,"position":1,"label":")" +
                              stream.head().labels()[best] + R"(","index":)" +
                              std::to_string(best) + R"(,"confidence":0.)"));
  EXPECT_THAT(line, HasSubstr(R"("classes":{")" + stream.head().labels()[best] + R"(":0.)"));
  EXPECT_THAT(
      ToJson(stream.head(), {.label = 2, .begins = true, .confidence = 0.75f}, std::nullopt, 3),
      R"({"running_time":null,"position":3,"event":"begin","label":"no shape","index":2,)"
      R"("confidence":0.75})");
}

}  // namespace
}  // namespace rill::testing
