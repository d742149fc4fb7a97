// What the tests of the speech elements share: the tiny recogniser, sound, and the text that a
// Transcriber makes of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "pipeline/transcriber.h"
#include "tests/plugins/harness.h"
#include "tests/support/sound.h"

namespace rill::testing {

inline constexpr char kSpeechModelPath[] = RILL_SOURCE_DIR "/tests/goldens/speech_model.gguf";
inline constexpr char kSpeechCaps[] =
    "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";
inline const std::string kSpeechModel = " model-path=" + std::string(kSpeechModelPath) + " ";

inline std::string SpeechChain(const std::string& encoder = "", const std::string& head = "") {
  return "lfmaudioenc" + kSpeechModel + encoder + " ! lfmbackbone" + kSpeechModel +
         " ! lfmtranscribe decoder=greedy" + kSpeechModel + head;
}

inline Transcriber OpenSpeech() {
  return *Transcriber::Open(*Model::Shared(kSpeechModelPath), {.decoder = DecoderKind::kGreedy});
}

// Words, and | for the end of an utterance.
inline std::string TextOf(const std::vector<TranscriptEvent>& events) {
  std::string text;
  for (const TranscriptEvent& event : events) text += event.word ? event.word->text + " " : "| ";
  return text;
}

// The text of a whole stream.
inline std::string WholeText(std::span<const float> samples) {
  Transcriber stream = OpenSpeech();
  EXPECT_TRUE(stream.Push(samples));
  EXPECT_TRUE(stream.Finish());
  return TextOf(stream.Take());
}

inline GstClockTime TimeOfSample(size_t sample) {
  return gst_util_uint64_scale(sample, GST_SECOND, 16000);
}

// Pushes samples in buffers of that many, stamped from sample `first` of the stream on.
inline void PushSound(Harness& harness, std::span<const float> samples, size_t piece,
                      size_t first = 0) {
  for (size_t at = 0; at < samples.size(); at += piece)
    ASSERT_EQ(harness.Push(samples.subspan(at, std::min(piece, samples.size() - at)),
                           TimeOfSample(first + at)),
              GST_FLOW_OK);
}

// The words of the buffers since the last call, with | where an utterance ended.
inline std::string PullText(Harness& harness) {
  std::string text;
  for (const Frame& frame : harness.PullAll()) text += frame.bytes + " ";
  return text;
}

// `text` without the ends of utterances.
inline std::string WordsOf(std::string text) {
  for (size_t at = 0; (at = text.find("| ")) != std::string::npos;) text.erase(at, 2);
  return text;
}

}  // namespace rill::testing
