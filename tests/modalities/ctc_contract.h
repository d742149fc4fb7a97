// What every CTC decoder promises about its state, whatever its search.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include <functional>

#include "tests/modalities/ctc_frames.h"

namespace rill::testing {

using MakeDecoder = std::function<std::unique_ptr<CtcDecoder>()>;

// Everything that a caller sees of a frame.
struct SeenFrame {
  std::vector<DecodedWord> final, partial;
  int64_t blank_frames = 0;
  bool has_words = false;

  friend bool operator==(const SeenFrame&, const SeenFrame&) = default;
};

// One frame, and an end of the utterance behind every 23rd.
inline SeenFrame See(CtcDecoder& decoder, const CtcFrames& frames, size_t t) {
  decoder.Step(frames[t], static_cast<int64_t>(t));
  SeenFrame seen{{}, decoder.Partial(), decoder.blank_frames(), decoder.has_words()};
  if (t % 23 == 22) decoder.Finish();
  seen.final = decoder.TakeFinal();
  return seen;
}

inline void RestoresAtEveryFrame(const MakeDecoder& make, const CtcFrames& frames) {
  const auto whole = make();
  auto moved = make();
  for (size_t t = 0; t < frames.size(); ++t) {
    const auto other = make();
    if (t > 0) other->Step(frames[0], 0);  // what was there does not matter
    const std::vector<std::byte> bytes = moved->Save();
    const Result<void> restored = other->Restore(bytes);
    ASSERT_TRUE(restored) << t << ": " << restored.error().message;
    ASSERT_EQ(other->Save(), bytes) << t;
    moved = other->Clone();
    const SeenFrame want = See(*whole, frames, t);
    ASSERT_EQ(See(*moved, frames, t), want) << t;
    ASSERT_EQ(moved->Save(), whole->Save()) << t;
  }
}

inline void ClonesAreIndependent(const MakeDecoder& make, const CtcFrames& frames) {
  const auto decoder = make();
  const size_t half = frames.size() / 2;
  for (size_t t = 0; t < half; ++t) See(*decoder, frames, t);
  const std::vector<std::byte> before = decoder->Save();
  const auto clone = decoder->Clone();
  for (size_t t = half; t < frames.size(); ++t) See(*clone, frames, t);
  EXPECT_EQ(decoder->Save(), before);
  for (size_t t = half; t < frames.size(); ++t) See(*decoder, frames, t);
  EXPECT_EQ(decoder->Save(), clone->Save());
  decoder->Reset();
  EXPECT_EQ(decoder->Save(), make()->Save());
}

// Final words follow one another in time, and when they are taken does not matter.
inline void FinalWordsStay(const MakeDecoder& make, const CtcFrames& frames) {
  const auto decoder = make(), untaken = make();
  std::vector<DecodedWord> all;
  int64_t last = -1;
  for (size_t t = 0; t < frames.size(); ++t) {
    untaken->Step(frames[t], static_cast<int64_t>(t));
    if (t % 23 == 22) untaken->Finish();
    for (const DecodedWord& word : See(*decoder, frames, t).final) {
      all.push_back(word);
      EXPECT_GE(word.first_frame, last);
      EXPECT_GE(word.last_frame, word.first_frame);
      EXPECT_LE(word.last_frame, static_cast<int64_t>(t));
      EXPECT_GE(word.confidence, 0.0f);
      EXPECT_LE(word.confidence, 1.0f);
      last = word.last_frame;
    }
  }
  EXPECT_EQ(untaken->TakeFinal(), all);
}

inline void RefusesDamage(const MakeDecoder& make, const CtcFrames& frames) {
  const auto decoder = make();
  for (size_t t = 0; t < 20; ++t) decoder->Step(frames[t], static_cast<int64_t>(t));
  const std::vector<std::byte> bytes = decoder->Save();
  const auto other = make();
  other->Step(frames[0], 0);
  const std::vector<std::byte> before = other->Save();
  for (size_t count = 0; count < bytes.size(); ++count) {
    ASSERT_FALSE(other->Restore(std::span(bytes).first(count))) << count;
    ASSERT_EQ(other->Save(), before) << count;
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back({});
  EXPECT_FALSE(other->Restore(longer));
  // What is accepted in spite of flips must be safe to go on with.
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::byte> flipped = bytes;
    for (size_t flips = 1 + random.Below(3); flips > 0; --flips)
      flipped[random.Below(bytes.size())] = static_cast<std::byte>(random.Bits());
    if (!other->Restore(flipped)) continue;
    for (size_t t = 20; t < 24; ++t) See(*other, frames, t);
    other->Finish();
    other->TakeFinal();
  }
}

// Over 100,000 frames without an end of the utterance.
inline void StaysSmall(const MakeDecoder& make, size_t pieces, size_t most_bytes) {
  const auto decoder = make();
  Random random(6);
  size_t most = 0, words = 0;
  const CtcFrames some = RandomFrames(random, 1000, pieces, 6);
  for (int64_t t = 0; t < 100'000; ++t) {
    decoder->Step(some[random.Below(some.size())], t);
    words += decoder->TakeFinal().size();
    if (t % 500 == 0) most = std::max(most, decoder->Save().size());
  }
  EXPECT_GT(words, 1000u);
  EXPECT_LT(most, most_bytes);
}

}  // namespace rill::testing
