// The image encoder and the head `classify` against PyTorch
// (training/rill_train/export_goldens.py).
#include "modalities/image_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modalities/classify_head.h"
#include "operators/block.h"
#include "tests/support/gguf_builder.h"

namespace rill::testing {
namespace {

using ::testing::HasSubstr;

constexpr float kTolerance = 1e-5f;
const std::string kGoldens = RILL_SOURCE_DIR "/tests/goldens/image_model";

std::vector<float> Values(const Weights& weights, const std::string& name) {
  const Tensor& tensor = weights.tensors().at(name);
  std::vector<float> values(tensor.elements());
  ToFloat(tensor.type, tensor.bytes, values);
  return values;
}

class ImageEncoderTest : public ::testing::Test {
 protected:
  // Picture t of the golden video, its rows `stride` bytes apart.
  std::vector<uint8_t> Picture(size_t t, size_t stride) const {
    const std::vector<float> values = Values(*golden_, "pixels");
    const ImageConfig& config = encoder_.config();
    const size_t row = config.width * config.channels;
    std::vector<uint8_t> bytes(config.height * stride, 0xAA);
    for (size_t y = 0; y < config.height; ++y)
      for (size_t x = 0; x < row; ++x)
        bytes[y * stride + x] = static_cast<uint8_t>(values[(t * config.height + y) * row + x]);
    return bytes;
  }
  std::vector<float> Embed(size_t t, size_t stride) {
    std::vector<float> embedding(encoder_.width());
    encoder_.Run(Picture(t, stride).data(), stride, scratch_, embedding);
    return embedding;
  }

  std::shared_ptr<const Weights> file_ = *Weights::Open(kGoldens + ".gguf");
  std::shared_ptr<const Weights> golden_ = *Weights::Open(kGoldens + "_golden.gguf");
  ImageEncoder encoder_ = *ImageEncoder::Load(*file_, 16);
  Scratch scratch_{encoder_.ScratchFloats()};
};

TEST_F(ImageEncoderTest, EmbedsLikePyTorch) {
  const std::vector<float> want = Values(*golden_, "embedding");
  for (size_t t = 0; t < want.size() / encoder_.width(); ++t) {
    const std::vector<float> got = Embed(t, 3 * encoder_.config().width);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], want[t * got.size() + i], kTolerance) << "picture " << t;
  }
}

TEST_F(ImageEncoderTest, BytesBetweenRowsChangeNothing) {
  const size_t row = 3 * encoder_.config().width;
  const std::vector<float> want = Embed(1, row);
  for (const size_t stride : {row + 1, row + 2, row + 64}) EXPECT_EQ(Embed(1, stride), want);
}

TEST_F(ImageEncoderTest, AVideoIsClassifiedLikeByPyTorch) {
  const Backbone backbone = *Backbone::Load(*file_, {});
  const ClassifyHead head = *ClassifyHead::Load(*file_, "classify", backbone.width());
  EXPECT_EQ(head.labels(), (std::vector<std::string>{"circle", "square", "no shape"}));
  EXPECT_TRUE(head.exclusive());
  State state(backbone.layout());
  Scratch scratch(backbone.ScratchFloats(1) + head.ScratchFloats());
  const std::vector<float> want = Values(*golden_, "probabilities");
  std::vector<float> got(3);
  for (size_t t = 0; t < want.size() / 3; ++t) {
    std::vector<float> x = Embed(t, 3 * encoder_.config().width);
    backbone.Step(x, 1, state.lane(0), scratch, x);
    head.Step(x, scratch, got);
    for (size_t i = 0; i < 3; ++i)
      ASSERT_NEAR(got[i], want[3 * t + i], kTolerance) << "picture " << t;
  }
}

// A file with the keys of a small encoder; `wrong` replaces one of them.
std::string LoadError(const std::string& wrong, float value) {
  GgufBuilder builder;
  builder.Key("rill.norm_epsilon", 1e-5f);
  builder.Key("rill.image.fit", std::string_view(wrong == "fit" ? "shrink" : "crop"));
  const auto integer = [&](const std::string& key, uint32_t usual) {
    builder.Key("rill.image." + key, wrong == key ? static_cast<uint32_t>(value) : usual);
  };
  integer("height", 8), integer("width", 8), integer("channels", 1), integer("stages", 2);
  for (const std::string key : {"stage_channels", "stage_strides", "stage_blocks", "stage_inner"})
    builder.Key("rill.image." + key,
                wrong == key ? std::vector<float>{1, value} : std::vector<float>{1, 1});
  builder.Tensor("image.mean", {1}, {0.5f});
  builder.Tensor("image.deviation", {1}, {wrong == "deviation" ? value : 0.5f});
  const auto bytes = builder.Bytes();
  return ImageEncoder::Load(**Weights::Parse(bytes, "m.gguf"), 4).error().message;
}

TEST(ImageEncoder, SaysWhatIsWrongWithAFile) {
  EXPECT_EQ(LoadError("fit", 0), "m.gguf: rill.image.fit is none of stretch, letterbox and crop");
  EXPECT_EQ(LoadError("channels", 2), "m.gguf: rill.image.channels is 2, not 1 (grey) or 3");
  EXPECT_NE(LoadError("height", 4096).find("rill.image.height"), std::string::npos);
  EXPECT_EQ(LoadError("stages", 3), "m.gguf: rill.image.stage_channels has 2 numbers for 3 stages");
  EXPECT_NE(LoadError("stage_strides", 9).find("no number from 1 to 3"), std::string::npos);
  EXPECT_NE(LoadError("stage_blocks", 0.5f).find("no number from 0 to 64"), std::string::npos);
  EXPECT_NE(LoadError("deviation", 0).find("not positive"), std::string::npos);
  EXPECT_NE(LoadError("", 0).find("image.stage.0.conv.weight"), std::string::npos);
}

TEST(ImageEncoder, BoundsItsWorkingMemory) {
  constexpr size_t kSide = 1024, kChannels = 256;
  GgufBuilder builder;
  builder.Key("rill.norm_epsilon", 1e-5f);
  builder.Key("rill.image.fit", std::string_view("crop"));
  for (const auto& [key, value] : {std::pair{"height", kSide},
                                   {"width", kSide},
                                   {"channels", size_t{1}},
                                   {"stages", size_t{1}}})
    builder.Key("rill.image." + std::string(key), static_cast<uint32_t>(value));
  for (const auto& [key, value] : {std::pair{"stage_channels", float{kChannels}},
                                   {"stage_strides", 1.0f},
                                   {"stage_blocks", 0.0f},
                                   {"stage_inner", 1.0f}})
    builder.Key("rill.image." + std::string(key), std::vector<float>{value});
  const auto tensor = [&](const std::string& name, const std::vector<uint64_t>& shape,
                          size_t count) {
    builder.Tensor(name, shape, std::vector<float>(count, 1));
  };
  tensor("image.mean", {1}, 1);
  tensor("image.deviation", {1}, 1);
  tensor("image.stage.0.conv.weight", {kChannels, 9}, 9 * kChannels);
  tensor("image.stage.0.conv.bias", {kChannels}, kChannels);
  tensor("image.norm.weight", {kChannels}, kChannels);
  tensor("image.embed.weight", {4, kChannels}, 4 * kChannels);
  tensor("image.embed.bias", {4}, 4);
  const auto bytes = builder.Bytes();
  EXPECT_THAT(ImageEncoder::Load(**Weights::Parse(bytes, "m.gguf"), 4).error().message,
              HasSubstr("pictures of 1024 x 1024 need 2"));
}

TEST(ClassifyHead, SaysWhatIsWrongWithAFile) {
  const auto error = [](std::string_view activation, const std::vector<std::string>& labels) {
    GgufBuilder builder;
    builder.Key("rill.norm_epsilon", 1e-5f);
    builder.Key("rill.classify.x.activation", activation);
    builder.Key("rill.classify.x.labels", labels);
    builder.Tensor("classify.x.norm.weight", {4}, {1, 1, 1, 1});
    builder.Tensor("classify.x.out.weight", {2, 4}, std::vector<float>(8, 0.0f));
    builder.Tensor("classify.x.out.bias", {2}, {0, 0});
    const auto bytes = builder.Bytes();
    const auto head = ClassifyHead::Load(**Weights::Parse(bytes, "m.gguf"), "classify.x", 4);
    return head ? "" : head.error().message;
  };
  EXPECT_EQ(error("softmax", {"a", "b"}), "");
  EXPECT_EQ(error("relu", {"a", "b"}),
            "m.gguf: rill.classify.x.activation is neither softmax nor sigmoid");
  EXPECT_EQ(error("softmax", {}),
            "m.gguf: rill.classify.x.labels has 0 labels, 1 to 16384 are read");
  EXPECT_NE(error("sigmoid", {"a", "b", "c"}).find("classify.x.out.weight"), std::string::npos);
}

}  // namespace
}  // namespace rill::testing
