#include "plugins/tensor_caps.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace rill {
namespace {

struct CapsDeleter {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};
using CapsPointer = std::unique_ptr<GstCaps, CapsDeleter>;

Result<TensorCaps> Parse(const std::string& text) {
  const CapsPointer caps(gst_caps_from_string(text.c_str()));
  return ParseTensorCaps(caps.get());
}

std::string ErrorOf(const std::string& text) {
  const Result<TensorCaps> tensor = Parse(text);
  return tensor ? "" : tensor.error().message;
}

TEST(TensorCaps, RowsOfSensorsComeBackAsTheyWere) {
  const TensorCaps rows{.type = TensorElement::kFloat64,
                        .dimensions = {3, 1, 1, 1},
                        .modality = "sensor",
                        .columns = {"PM2.5", "a \"quoted\", name", "°C"}};
  const CapsPointer caps(ToGstCaps(rows));
  EXPECT_TRUE(gst_caps_is_fixed(caps.get()));
  gchar* text = gst_caps_to_string(caps.get());
  const Result<TensorCaps> read = Parse(text);
  g_free(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, rows);
  EXPECT_EQ(read->Elements(), 3u);
  EXPECT_EQ(read->Bytes(), 24u);
  const CapsPointer any(gst_caps_from_string(kAnyTensorCaps));
  const CapsPointer float64(gst_caps_from_string(kFloat64TensorCaps));
  const CapsPointer float32(gst_caps_from_string(kFloat32TensorCaps));
  EXPECT_TRUE(gst_caps_is_subset(caps.get(), any.get()));
  EXPECT_TRUE(gst_caps_is_subset(caps.get(), float64.get()));
  EXPECT_FALSE(gst_caps_can_intersect(caps.get(), float32.get()));
}

TEST(TensorCaps, EmbeddingsComeBackAsTheyWere) {
  const TensorCaps embeddings{.dimensions = {64, 7, 1, 1},
                              .framerate_numerator = 25,
                              .framerate_denominator = 2,
                              .lfm_space = "0123abcd/embedding",
                              .modality = "audio",
                              .columns = {"a", "b", "c", "d", "e", "f", "g"}};
  const CapsPointer caps(ToGstCaps(embeddings));
  const Result<TensorCaps> read = ParseTensorCaps(caps.get());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, embeddings);
  EXPECT_EQ(read->Bytes(), 64u * 7 * 4);
}

TEST(TensorCaps, ReadsTheSingularFormAndOtherRanks) {
  const auto legacy = Parse("other/tensor,type=float32,dimension=6:1:1:1,framerate=(fraction)0/1");
  ASSERT_TRUE(legacy) << legacy.error().message;
  EXPECT_EQ(legacy->dimensions, (std::array<uint32_t, 4>{6, 1, 1, 1}));
  const auto ranked = Parse(
      "other/tensors,format=static,num_tensors=1,types=float64,"
      "dimensions=(string)5:2:1:1:1:1,framerate=(fraction)30/1");
  ASSERT_TRUE(ranked) << ranked.error().message;
  EXPECT_EQ(ranked->dimensions, (std::array<uint32_t, 4>{5, 2, 1, 1}));
  EXPECT_EQ(ranked->framerate_numerator, 30);
}

TEST(TensorCaps, SaysWhatItCannotRead) {
  const std::string head = "other/tensors,format=static,framerate=(fraction)0/1,";
  EXPECT_EQ(ErrorOf("audio/x-raw"), "caps audio/x-raw are neither other/tensors nor other/tensor");
  EXPECT_EQ(ErrorOf("other/tensors,format=flexible"), "tensor format \"flexible\" is not static");
  EXPECT_EQ(ErrorOf(head + "num_tensors=2"), "a buffer of 2 tensors was offered, not of 1");
  EXPECT_EQ(ErrorOf(head + "num_tensors=1,types=int16"),
            "tensor type \"int16\" is neither float32 nor float64");
  for (const char* bad : {"0:1:1:1", "x", "3:", "1:1:1:1:2", "-1:1", "3,4"})
    EXPECT_EQ(ErrorOf(head + "types=float32,dimensions=(string)\"" + bad + "\""),
              "tensor dimensions \"" + std::string(bad) + "\" are not up to 4 positive numbers");
  EXPECT_EQ(ErrorOf(head + "types=float32,dimensions=(string)65536:65536:65536:65536"),
            "a tensor of dimensions 65536:65536:65536:65536 does not fit in 1073741824 bytes");
  EXPECT_EQ(ErrorOf(head + "types=float64,dimensions=(string)3:1:1:1,lfm-columns=(string)<\"a\">"),
            "caps field lfm-columns has 1 names for 3 channels");
  EXPECT_EQ(ErrorOf("other/tensors,types={float32,float64}"), "tensor caps are not fixed");
}

}  // namespace
}  // namespace rill
