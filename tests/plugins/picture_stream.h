// What the tests of the picture elements share: the tiny classifier, pictures, and the labels that
// a Classifier makes of them.
#pragma once

#include <gmock/gmock.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <random>

#include "pipeline/class_json.h"
#include "pipeline/classifier.h"
#include "tests/plugins/harness.h"

namespace rill::testing {

inline constexpr char kPictureModelPath[] = RILL_SOURCE_DIR "/tests/goldens/image_model.gguf";
inline const std::string kPictureModel = " model-path=" + std::string(kPictureModelPath) + " ";
inline constexpr size_t kPictureWidth = 22, kPictureHeight = 10;
inline constexpr char kPictureCaps[] = "video/x-raw,format=RGB,width=22,height=10,framerate=25/1";

inline std::string PictureChain(const std::string& encoder = "", const std::string& head = "") {
  return "lfmimageenc" + kPictureModel + encoder + " ! lfmbackbone" + kPictureModel +
         " ! lfmclassify" + kPictureModel + head;
}

// Rows of GStreamer's usual stride, a multiple of four.
inline constexpr size_t kPictureStride = (3 * kPictureWidth + 3) / 4 * 4;

inline std::string MakePicture(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(kPictureStride * kPictureHeight, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

inline Picture AsPicture(const std::string& bytes) {
  return {.format = PixelFormat::kRgb,
          .width = kPictureWidth,
          .height = kPictureHeight,
          .planes = {reinterpret_cast<const uint8_t*>(bytes.data())},
          .strides = {kPictureStride}};
}

inline Classifier OpenPictures(const EventRules& rules = {}) {
  return *Classifier::Open(*Model::Shared(kPictureModelPath), Medium::kPictures, {.events = rules});
}

inline GstClockTime TimeOfPicture(size_t picture) { return picture * 40 * GST_MSECOND; }

// The lines that the element prints for pictures `first` and on, which are at those times.
inline std::vector<std::string> Lines(Classifier& stream, const std::vector<std::string>& pictures,
                                      size_t first = 0) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < pictures.size(); ++i) {
    EXPECT_TRUE(stream.Push(AsPicture(pictures[i])));
    lines.push_back(ToJson(stream.head(), 5, TimeOfPicture(first + i), stream.position()) + "\n");
  }
  return lines;
}

inline std::vector<std::string> MakePictures(size_t count, uint64_t seed = 1) {
  std::vector<std::string> pictures;
  for (size_t i = 0; i < count; ++i) pictures.push_back(MakePicture(seed + i));
  return pictures;
}

inline void PushPictures(Harness& harness, const std::vector<std::string>& pictures,
                         size_t first = 0) {
  for (size_t i = 0; i < pictures.size(); ++i)
    ASSERT_EQ(harness.Push(pictures[i], TimeOfPicture(first + i)), GST_FLOW_OK);
}

inline std::vector<std::string> PullLines(Harness& harness) {
  std::vector<std::string> lines;
  for (const Frame& frame : harness.PullAll()) lines.push_back(frame.bytes);
  return lines;
}

inline void SendOwn(Harness& harness, const char* name, const char* id) {
  GstStructure* fields = gst_structure_new(name, "id", G_TYPE_STRING, id, nullptr);
  EXPECT_TRUE(harness.PushEvent(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, fields)));
}

}  // namespace rill::testing
