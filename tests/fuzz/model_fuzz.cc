#include "tests/fuzz/model_fuzz.h"

#include <vector>

#include "pipeline/classifier.h"
#include "pipeline/generator.h"
#include "pipeline/session.h"
#include "pipeline/transcriber.h"
#include "tests/support/sound.h"

namespace rill::testing {
namespace {

using SharedModel = std::shared_ptr<const Model>;

void Generate(const SharedModel& model) {
  Result<Generator> stream =
      Generator::Open(model, {.ignore_end = true}, std::make_shared<TextRunner>(model, 1));
  if (!stream) return;
  for (const auto& tokens : {std::vector<int32_t>{1}, {1, 0, 1}})
    static_cast<void>(stream->Push(tokens));
  static_cast<void>(stream->Next());
  static_cast<void>(stream->Restore(stream->Save()));
  static_cast<void>(model->tokenizer()->Encode("once upon <|im_end|>", Specials::kPlain));
}

void Forecast(const SharedModel& model) {
  Result<Session> stream = Session::Open(model, {.channels = 2});
  if (!stream) return;
  for (int64_t t = 0; t < 40; ++t) {
    const double value = static_cast<double>(t % 5);
    static_cast<void>(stream->Push(t * 3'600'000'000'000, std::vector{value, -value}));
  }
  static_cast<void>(stream->Peek(1));
}

void Transcribe(const SharedModel& model, std::span<const float> sound) {
  Result<Transcriber> stream = Transcriber::Open(model, {.decoder = DecoderKind::kGreedy});
  if (!stream) return;
  static_cast<void>(stream->Push(sound));
  static_cast<void>(stream->Finish());
}

void Classify(const SharedModel& model, std::span<const float> sound) {
  constexpr size_t kWidth = 9, kHeight = 7, kRow = 3 * kWidth;
  static const std::vector<uint8_t> pixels(kRow * kHeight, 99);
  for (const auto& [name, head] : model->classify())
    for (const Medium medium : {Medium::kPictures, Medium::kSound}) {
      Result<Classifier> stream = Classifier::Open(model, medium, {.head = name});
      if (!stream) continue;
      if (medium == Medium::kPictures)
        static_cast<void>(stream->Push(Picture{
            .width = kWidth, .height = kHeight, .planes = {pixels.data()}, .strides = {kRow}}));
      for (auto left = sound; medium == Medium::kSound && !left.empty();) {
        const auto taken = stream->Push(left);
        if (!taken) break;
        left = left.subspan(taken->samples);
      }
      static_cast<void>(stream->head().Mean());
    }
}

}  // namespace

std::string FuzzModel(std::span<const std::byte> bytes) {
  static const std::vector<float> sound = MakeSound(4000, 1);
  const auto weights = Weights::Parse(bytes, "fuzz.gguf");
  if (!weights) return weights.error().message;
  const auto model = Model::Load(*weights, {.context = 32});
  if (!model) return model.error().message;
  if ((*model)->text() != nullptr && (*model)->generate() != nullptr) Generate(*model);
  if ((*model)->sensor() != nullptr && (*model)->forecast() != nullptr) Forecast(*model);
  if ((*model)->audio() != nullptr && (*model)->transcribe() != nullptr) Transcribe(*model, sound);
  Classify(*model, sound);
  return {};
}

}  // namespace rill::testing

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::testing::FuzzModel(std::as_bytes(std::span(data, bytes)));
  return 0;
}
#endif
