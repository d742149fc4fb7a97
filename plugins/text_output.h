// Words of a transcript as buffers, with GAPs between, as gst-plugins-rs's text elements want them.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>
#include <vector>

#include "pipeline/transcribe_stage.h"

namespace rill {

enum class TextOutput { kWord, kLine };

GType TextOutputType();

inline constexpr char kTextCaps[] = "text/x-raw, format=(string)utf8";

struct TextSettings {
  TextOutput output = TextOutput::kWord;
  guint line_length = 42;  // letters of a line, at most, if a word is not longer
  bool newline = false;    // after every buffer
};

// A word with its time in the pipeline.
struct StampedWord {
  std::string text;
  GstClockTime begin = 0, end = 0;
  float confidence = 0;
};

// Sends words and lines, in order and without overlap.
class TextWriter {
 public:
  explicit TextWriter(GstPad* source) : source_(source) {}

  GstFlowReturn Take(const StampedWord& word, const TextSettings& settings);
  // Sends the line that has begun, then the event rstranscribe/final-transcript.
  GstFlowReturn EndUtterance(const TextSettings& settings);
  // Text can come from that time on, unless Advance() or a buffer has gone past it.
  void Begin(GstClockTime time);
  // Tells downstream that there is no text before that time.
  void Advance(GstClockTime until);
  // What follows is not what the stream would have had next: the next buffer is marked DISCONT.
  void Jump() { discont_ = true; }
  // Another timeline begins, and another line.
  void Reset();
  bool empty() const { return line_.empty(); }

  // The line that has begun. After Restore() it begins where the stream goes on.
  Snapshot::Part Save() const;
  void Restore(const Snapshot& snapshot);

 private:
  GstFlowReturn Send(const std::string& text, GstClockTime begin, GstClockTime end,
                     const TextSettings& settings);
  GstFlowReturn SendLine(const TextSettings& settings);

  GstPad* source_;
  std::string line_;
  GstClockTime line_begin_ = 0, line_end_ = 0;
  GstClockTime sent_until_ = GST_CLOCK_TIME_NONE;  // end of the last buffer or GAP
  bool discont_ = true;
};

// The element message lfm-transcript{text, is-final, running-time, stream-time, duration, words}:
// words is an array of structures word{text, running-time, duration, confidence}.
GstMessage* TranscriptMessage(GstObject* from, const std::vector<StampedWord>& words, bool is_final,
                              const GstSegment& segment);

}  // namespace rill
