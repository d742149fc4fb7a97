#include "plugins/text_output.h"

#include <algorithm>

namespace rill {

GType TextOutputType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(TextOutput::kWord), "a buffer for every word", "word"},
        {static_cast<gint>(TextOutput::kLine), "a buffer for every line of words", "line"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmTextOutput", values);
  }();
  return type;
}

GstFlowReturn TextWriter::Send(const std::string& text, GstClockTime begin, GstClockTime end,
                               const TextSettings& settings) {
  if (GST_CLOCK_TIME_IS_VALID(sent_until_)) begin = std::max(begin, sent_until_);
  end = std::max(end, begin);
  Advance(begin);
  const std::string content = settings.newline ? text + "\n" : text;
  GstBuffer* buffer = gst_buffer_new_memdup(content.data(), content.size());
  GST_BUFFER_PTS(buffer) = begin;
  GST_BUFFER_DURATION(buffer) = end - begin;
  if (discont_) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  discont_ = false;
  sent_until_ = end;
  return gst_pad_push(source_, buffer);
}

GstFlowReturn TextWriter::SendLine(const TextSettings& settings) {
  if (line_.empty()) return GST_FLOW_OK;
  const std::string line = std::exchange(line_, {});
  return Send(line, line_begin_, line_end_, settings);
}

GstFlowReturn TextWriter::Take(const StampedWord& word, const TextSettings& settings) {
  GstFlowReturn flow = GST_FLOW_OK;
  if (settings.output == TextOutput::kWord) {
    flow = SendLine(settings);  // of before the property was changed
    return flow == GST_FLOW_OK ? Send(word.text, word.begin, word.end, settings) : flow;
  }
  if (!line_.empty() && line_.size() + 1 + word.text.size() > settings.line_length)
    flow = SendLine(settings);
  if (line_.empty()) line_begin_ = word.begin;
  line_ += (line_.empty() ? "" : " ") + word.text;
  line_end_ = word.end;
  return flow;
}

GstFlowReturn TextWriter::EndUtterance(const TextSettings& settings) {
  const GstFlowReturn flow = SendLine(settings);
  gst_pad_push_event(
      source_, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                                    gst_structure_new_empty("rstranscribe/final-transcript")));
  return flow;
}

void TextWriter::Begin(GstClockTime time) {
  if (!GST_CLOCK_TIME_IS_VALID(sent_until_)) sent_until_ = time;
}

void TextWriter::Advance(GstClockTime until) {
  Begin(until);
  if (until <= sent_until_) return;
  gst_pad_push_event(source_, gst_event_new_gap(sent_until_, until - sent_until_));
  sent_until_ = until;
}

void TextWriter::Reset() {
  line_.clear();
  Jump();
  sent_until_ = GST_CLOCK_TIME_NONE;
}

Snapshot::Part TextWriter::Save() const {
  const auto bytes = std::as_bytes(std::span(line_));
  return {"line", 0, {bytes.begin(), bytes.end()}};
}

void TextWriter::Restore(const Snapshot& snapshot) {
  Reset();
  line_begin_ = line_end_ = 0;
  const Snapshot::Part* part = snapshot.Find("line");  // absent in a snapshot of a Transcriber
  if (part == nullptr) return;
  const std::string text(reinterpret_cast<const char*>(part->bytes.data()), part->bytes.size());
  const gchar* end = nullptr;
  g_utf8_validate(text.data(), static_cast<gssize>(text.size()), &end);
  line_.assign(text.data(), end);
}

GstMessage* TranscriptMessage(GstObject* from, const std::vector<StampedWord>& words, bool is_final,
                              const GstSegment& segment) {
  std::string text;
  GValue list = G_VALUE_INIT;
  g_value_init(&list, GST_TYPE_ARRAY);
  const auto running = [&](GstClockTime time) {
    return gst_segment_to_running_time(&segment, GST_FORMAT_TIME, time);
  };
  for (const StampedWord& word : words) {
    text += (text.empty() ? "" : " ") + word.text;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &value, gst_structure_new("word", "text", G_TYPE_STRING, word.text.c_str(), "running-time",
                                  G_TYPE_UINT64, running(word.begin), "duration", G_TYPE_UINT64,
                                  word.end - word.begin, "confidence", G_TYPE_FLOAT,
                                  word.confidence, nullptr));
    gst_value_array_append_and_take_value(&list, &value);
  }
  const GstClockTime begin = words.empty() ? GST_CLOCK_TIME_NONE : words.front().begin;
  const GstClockTime duration = words.empty() ? 0 : words.back().end - begin;
  GstStructure* fields = gst_structure_new(
      "lfm-transcript", "text", G_TYPE_STRING, text.c_str(), "is-final", G_TYPE_BOOLEAN,
      static_cast<gboolean>(is_final), "running-time", G_TYPE_UINT64, running(begin), "stream-time",
      G_TYPE_UINT64, gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, begin), "duration",
      G_TYPE_UINT64, duration, nullptr);
  gst_structure_take_value(fields, "words", &list);
  return gst_message_new_element(from, fields);
}

}  // namespace rill
