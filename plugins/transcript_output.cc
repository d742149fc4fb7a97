#include "plugins/transcript_output.h"

#include <algorithm>
#include <utility>

namespace rill {

void TranscriptOutput::Begin(int64_t sample, GstClockTime pts) {
  if (times_.known()) return;
  times_.Anchor(sample, GST_CLOCK_TIME_IS_VALID(pts) ? pts : 0);
  text_.Begin(times_.anchor());
}

// A word that began before the stream was restored is stamped with where it goes on.
std::vector<StampedWord> TranscriptOutput::Stamp(std::span<const TimedWord> words) const {
  std::vector<StampedWord> stamped;
  const auto time = [this](int64_t sample) { return std::max(times_.Of(sample), times_.anchor()); };
  for (const TimedWord& word : words)
    stamped.push_back({word.text, time(word.start), time(word.end), word.confidence});
  return stamped;
}

void TranscriptOutput::Post(std::span<const TimedWord> words, bool is_final) {
  gst_element_post_message(
      element_, TranscriptMessage(GST_OBJECT(element_), Stamp(words), is_final, *segment_));
}

GstFlowReturn TranscriptOutput::Send(const std::vector<TranscriptEvent>& events,
                                     const TranscribeSettings& settings) {
  sent_ = !events.empty();
  GstFlowReturn flow = GST_FLOW_OK;
  for (const TranscriptEvent& event : events) {
    if (flow != GST_FLOW_OK) break;
    if (!event.word) {
      flow = text_.EndUtterance(settings.text);
      continue;
    }
    const std::span<const TimedWord> word(&*event.word, 1);
    if (settings.messages) Post(word, true);
    flow = text_.Take(Stamp(word)[0], settings.text);
  }
  return flow;
}

// What was told and is nothing any more has become final, and was told so, or is taken back.
void TranscriptOutput::Tell(std::vector<TimedWord> partial, const TranscribeSettings& settings) {
  const auto same = [](const TimedWord& a, const TimedWord& b) { return a.text == b.text; };
  const bool wanted = settings.messages && settings.message_interval_ns >= 0;
  if (!wanted || std::ranges::equal(partial, partial_, same) ||
      !limit_.Allows(static_cast<uint64_t>(settings.message_interval_ns)))
    return;
  partial_ = std::move(partial);
  if (!partial_.empty() || !sent_) Post(partial_, false);
}

void TranscriptOutput::Advance(int64_t sample) {
  constexpr GstClockTime kStep = 200 * GST_MSECOND;  // a GAP a frame would be a nuisance
  if (text_.empty() && sample > 0) text_.Advance(times_.Of(sample) / kStep * kStep);
}

void TranscriptOutput::Gap(GstClockTime begin, GstClockTime duration) {
  text_.Begin(begin);
  text_.Advance(begin + duration);
}

void TranscriptOutput::Jump() {
  text_.Jump();
  times_.Forget();
}

void TranscriptOutput::Reset() {
  ForgetPartial();
  text_.Reset();
  times_.Forget();
}

void TranscriptOutput::Restore(const Snapshot& snapshot) {
  text_.Restore(snapshot);
  times_.Forget();
}

}  // namespace rill
