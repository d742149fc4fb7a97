#include "pipeline/generate_stage.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "modalities/utf8_stream.h"
#include "operators/core/kernels.h"

namespace rill {
namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Front front = ReadUtf8(text);
    if (front.kind != Utf8Front::Kind::kWhole) return false;
    text.remove_prefix(front.bytes);
  }
  return true;
}

constexpr size_t kRecent = 4096;  // tokens remembered for the penalty, at most

// Bytes in a slot of integers, eight each, and how many in another.
void PutBytes(Lane lane, Slot bytes, Slot count, std::string_view text) {
  std::ranges::fill(lane.Integers(bytes), 0);
  std::memcpy(lane.Integers(bytes).data(), text.data(), text.size());
  lane.Integers(count)[0] = static_cast<int64_t>(text.size());
}

std::string GetBytes(Lane lane, Slot bytes, Slot count) {
  return {reinterpret_cast<const char*>(lane.Integers(bytes).data()),
          static_cast<size_t>(lane.Integers(count)[0])};
}

}  // namespace

Result<GenerateStage> GenerateStage::Open(std::shared_ptr<const Model> model,
                                          GeneratorOptions options) {
  if (model->text() == nullptr || model->generate() == nullptr)
    return model->weights().Complain("the model does not generate text");
  if (Result<void> sound = rill::Check(options.sampling); !sound) return sound.error();
  for (const std::string& stop : options.stops) {
    if (!IsUtf8(stop)) return Error{"a stop string is not UTF-8, as the text will be"};
    if (stop.empty() || stop.size() > StopStrings::kMostBytes)
      return Error{"a stop string of " + std::to_string(stop.size()) +
                   " bytes, it must have 1 to " + std::to_string(StopStrings::kMostBytes)};
  }
  return GenerateStage(std::move(model), std::move(options));
}

GenerateStage::GenerateStage(std::shared_ptr<const Model> model, GeneratorOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      recent_(layout_.Add("generate.recent", kRecent, ElementType::kInt64)),
      position_(layout_.Add("generate.position", 1, ElementType::kInt64)),
      over_(layout_.Add("generate.over", 1, ElementType::kInt64)),
      generated_(layout_.Add("generate.generated", 1, ElementType::kInt64)),
      held_(layout_.Add("generate.held", StopStrings::kMostBytes / 8, ElementType::kInt64)),
      held_bytes_(layout_.Add("generate.held_bytes", 1, ElementType::kInt64)),
      pending_(layout_.Add("generate.pending", 1, ElementType::kInt64)),
      pending_bytes_(layout_.Add("generate.pending_bytes", 1, ElementType::kInt64)),
      state_(layout_),
      stops_(options_.stops),
      sampler_(model_->generate()->tokens()) {}

void GenerateStage::Take(std::span<const int32_t> tokens) {
  const Lane lane = state_.lane(0);
  int64_t& position = lane.Integers(position_)[0];
  for (const int32_t token : tokens)
    lane.Integers(recent_)[static_cast<size_t>(position++) % kRecent] = token;
}

std::vector<int32_t> GenerateStage::Recent() const {
  std::vector<int32_t> recent;
  const size_t seen = static_cast<size_t>(position());
  const size_t count = std::min({seen, options_.sampling.repetition_window, kRecent});
  for (size_t i = seen - count; i < seen; ++i)
    recent.push_back(static_cast<int32_t>(state_.lane(0).Integers(recent_)[i % kRecent]));
  return recent;
}

std::string GenerateStage::Show(int32_t token, bool last) {
  const Lane lane = state_.lane(0);
  // What a snapshot may hold was checked when it came in.
  Utf8Stream characters = *Utf8Stream::Make(GetBytes(lane, pending_, pending_bytes_));
  std::string complete, text, held = GetBytes(lane, held_, held_bytes_);
  if (!last && !model_->tokenizer()->is_control(token))
    characters.Push(model_->tokenizer()->bytes_of(token), complete);
  if (last) characters.Finish(complete);
  if (stops_.Push(complete, held, text)) {
    lane.Integers(over_)[0] = 1;
  } else if (last) {
    text += held;
    held.clear();
  }
  PutBytes(lane, held_, held_bytes_, held);
  PutBytes(lane, pending_, pending_bytes_, characters.pending());
  return text;
}

std::optional<int32_t> GenerateStage::last_token() const {
  if (position() == 0) return std::nullopt;
  const size_t last = static_cast<size_t>(position() - 1) % kRecent;
  return static_cast<int32_t>(state_.lane(0).Integers(recent_)[last]);
}

Result<GeneratedToken> GenerateStage::Choose(std::span<float> logits) {
  constexpr float kMost = 1e30f;  // far from where the penalty would overflow
  const Extremes extremes = ExtremesOf(logits);
  if (!(extremes.least >= -kMost && extremes.most <= kMost))
    return Error{"the logits after " + std::to_string(position()) +
                 " tokens are not finite: the weights of " + model_->weights().name() +
                 " are not sound"};
  const Lane lane = state_.lane(0);
  int64_t& generated = lane.Integers(generated_)[0];
  const int32_t token =
      sampler_.Choose(logits, Recent(), options_.sampling,
                      RandomBits(options_.sampling.seed, static_cast<uint64_t>(generated++)));
  const bool ends = !options_.ignore_end && model_->tokenizer()->ends_text(token);
  GeneratedToken result{token, Show(token, ends), ends};
  if (ends) lane.Integers(over_)[0] = 1;
  result.last = over();
  return result;
}

std::string GenerateStage::Cut() {
  const Lane lane = state_.lane(0);
  std::string held = GetBytes(lane, held_, held_bytes_);
  PutBytes(lane, held_, held_bytes_, "");
  PutBytes(lane, pending_, pending_bytes_, "");
  return held;
}

void GenerateStage::Resume() {
  Cut();
  state_.lane(0).Integers(over_)[0] = 0;
}

Snapshot::Part GenerateStage::Save() const {
  return {"generate", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> GenerateStage::Check(const State& state) const {
  const Lane lane = state.lane(0);
  const auto within = [&](Slot slot, int64_t most) {
    return std::ranges::all_of(lane.Integers(slot),
                               [&](int64_t value) { return value >= 0 && value <= most; });
  };
  constexpr int64_t kLong = int64_t{1} << 62;
  if (!within(recent_, static_cast<int64_t>(model_->text()->tokens()) - 1) ||
      !within(position_, kLong) || !within(generated_, kLong) || !within(over_, 1) ||
      !within(held_bytes_, StopStrings::kMostBytes) || !within(pending_bytes_, 3) ||
      !IsUtf8(GetBytes(lane, held_, held_bytes_)) ||
      !Utf8Stream::Make(GetBytes(lane, pending_, pending_bytes_)))
    return Error{"the state of the text is out of range"};
  return {};
}

Result<void> GenerateStage::Restore(const Snapshot& snapshot) {
  return RestorePart(
      snapshot, "generate", model_->fingerprint(), layout_.fingerprint(),
      [this](const State& state) { return Check(state); }, state_);
}

}  // namespace rill
