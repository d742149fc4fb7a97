#include "pipeline/generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

namespace rill {
namespace {

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

TextRunner::TextRunner(const Model& model, size_t threads)
    : backbone_(&model.backbone()),
      head_(model.generate()),
      workers_(threads > 0 ? threads : std::max(1u, std::thread::hardware_concurrency())),
      scratch_(std::max(backbone_->ScratchFloats(kRows), head_->ScratchFloats(kRows)), &workers_),
      dt_(kRows, 1.0f),
      batch_(kRows) {}

void TextRunner::Run(Lane lane, View<float> rows) {
  for (size_t first = 0; first < rows.rows; first += kRows) {
    const View<float> part = rows.Rows(first, std::min(kRows, rows.rows - first));
    const Sequence sequence{lane, part.rows};
    backbone_->Run({part, std::span(dt_).first(part.rows), {&sequence, 1}}, scratch_, part);
  }
}

void TextRunner::Step(std::span<const Lane> lanes, View<float> rows) {
  for (size_t first = 0; first < rows.rows; first += kRows) {
    const View<float> part = rows.Rows(first, std::min(kRows, rows.rows - first));
    for (size_t i = 0; i < part.rows; ++i) batch_[i] = {lanes[first + i], 1};
    backbone_->Run({part, std::span(dt_).first(part.rows), std::span(batch_).first(part.rows)},
                   scratch_, part);
  }
}

void TextRunner::Logits(View<const float> hidden, View<float> logits) {
  head_->Run(hidden, scratch_, logits);
}

Result<Generator> Generator::Open(std::shared_ptr<const Model> model, GeneratorOptions options,
                                  std::shared_ptr<TextRunner> runner) {
  if (model->text() == nullptr || model->generate() == nullptr)
    return model->weights().Complain("the model does not generate text");
  if (Result<void> sound = Check(options.sampling); !sound) return sound.error();
  for (const std::string& stop : options.stops)
    if (stop.empty() || stop.size() > StopStrings::kMostBytes)
      return Error{"a stop string of " + std::to_string(stop.size()) +
                   " bytes, it must have 1 to " + std::to_string(StopStrings::kMostBytes)};
  StateLayout layout = model->backbone().layout();
  Slots slots;
  slots.hidden = layout.Add("generate.hidden", model->backbone().width());
  slots.recent = layout.Add("generate.recent", kRecent, ElementType::kInt64);
  slots.position = layout.Add("generate.position", 1, ElementType::kInt64);
  slots.generated = layout.Add("generate.generated", 1, ElementType::kInt64);
  slots.over = layout.Add("generate.over", 1, ElementType::kInt64);
  slots.held = layout.Add("generate.held", StopStrings::kMostBytes / 8, ElementType::kInt64);
  slots.held_bytes = layout.Add("generate.held_bytes", 1, ElementType::kInt64);
  slots.pending = layout.Add("generate.pending", 1, ElementType::kInt64);
  slots.pending_bytes = layout.Add("generate.pending_bytes", 1, ElementType::kInt64);
  if (runner == nullptr) runner = std::make_shared<TextRunner>(*model, 0);
  return Generator(std::move(model), std::move(options), std::move(runner), layout, slots);
}

Generator::Generator(std::shared_ptr<const Model> model, GeneratorOptions options,
                     std::shared_ptr<TextRunner> runner, const StateLayout& layout,
                     const Slots& slots)
    : model_(std::move(model)),
      options_(std::move(options)),
      runner_(std::move(runner)),
      layout_(layout),
      slots_(slots),
      state_(layout),
      stops_(options_.stops),
      sampler_(model_->generate()->tokens()),
      logits_(model_->generate()->tokens()) {}

Result<void> Generator::CheckTokens(std::span<const int32_t> tokens) const {
  const auto known = static_cast<int64_t>(model_->text()->tokens());
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= known)
      return Error{"token " + std::to_string(i) + " is " + std::to_string(tokens[i]) +
                   ", the vocabulary has 0 to " + std::to_string(known - 1)};
  if (static_cast<int64_t>(tokens.size()) > room())
    return Error{std::to_string(tokens.size()) + " tokens after " + std::to_string(position()) +
                 ", the context has room for " + std::to_string(room()) +
                 " more: declare a longer one, or a window"};
  return {};
}

void Generator::Remember(std::span<const int32_t> tokens) {
  const Lane lane = state_.lane(0);
  int64_t& position = lane.Integers(slots_.position)[0];
  for (const int32_t token : tokens)
    lane.Integers(slots_.recent)[static_cast<size_t>(position++) % kRecent] = token;
}

std::vector<int32_t> Generator::Recent() const {
  std::vector<int32_t> recent;
  const size_t seen = static_cast<size_t>(position());
  const size_t count = std::min({seen, options_.sampling.repetition_window, kRecent});
  for (size_t i = seen - count; i < seen; ++i)
    recent.push_back(static_cast<int32_t>(state_.lane(0).Integers(slots_.recent)[i % kRecent]));
  return recent;
}

Result<void> Generator::Push(std::span<const int32_t> tokens) {
  if (Result<void> sound = CheckTokens(tokens); !sound) return sound;
  const size_t width = model_->backbone().width();
  std::vector<float> rows(std::min(tokens.size(), TextRunner::kRows) * width);
  for (size_t first = 0; first < tokens.size(); first += TextRunner::kRows) {
    const auto part = tokens.subspan(first, std::min(TextRunner::kRows, tokens.size() - first));
    const View<float> view{rows.data(), part.size(), width};
    model_->text()->Run(part, view);
    runner_->Run(state_.lane(0), view);
    std::ranges::copy(view[part.size() - 1], state_.lane(0).Floats(slots_.hidden).begin());
  }
  Remember(tokens);
  if (!tokens.empty()) state_.lane(0).Integers(slots_.over)[0] = 0;
  return {};
}

Result<void> Generator::CheckNext() const {
  if (position() == 0) return Error{"nothing to go on from: push a token first"};
  if (over()) return Error{"the text is over: push more tokens, or reset the stream"};
  if (room() < 1)
    return Error{"the context of " + std::to_string(position()) +
                 " tokens is full: declare a longer one, or a window"};
  for (const float value : state_.lane(0).Floats(slots_.hidden))
    if (!std::isfinite(value))
      return Error{"the stream is no longer finite after " + std::to_string(position()) +
                   " tokens: the weights of " + model_->weights().name() + " are not sound"};
  return {};
}

std::string Generator::Show(int32_t token, bool last) {
  const Lane lane = state_.lane(0);
  // What a snapshot may hold was checked when it came in.
  Utf8Stream characters = *Utf8Stream::Make(GetBytes(lane, slots_.pending, slots_.pending_bytes));
  std::string complete, text, held = GetBytes(lane, slots_.held, slots_.held_bytes);
  if (!last && !model_->tokenizer()->is_control(token))
    characters.Push(model_->tokenizer()->bytes_of(token), complete);
  if (last) characters.Finish(complete);
  if (stops_.Push(complete, held, text)) {
    lane.Integers(slots_.over)[0] = 1;
  } else if (last) {
    text += held;
    held.clear();
  }
  PutBytes(lane, slots_.held, slots_.held_bytes, held);
  PutBytes(lane, slots_.pending, slots_.pending_bytes, characters.pending());
  return text;
}

GeneratedToken Generator::Choose(std::span<float> logits) {
  const Lane lane = state_.lane(0);
  int64_t& generated = lane.Integers(slots_.generated)[0];
  const int32_t token =
      sampler_.Choose(logits, Recent(), options_.sampling,
                      RandomBits(options_.sampling.seed, static_cast<uint64_t>(generated++)));
  const bool ends = !options_.ignore_end && model_->tokenizer()->ends_text(token);
  GeneratedToken result{token, Show(token, ends), ends};
  if (ends) lane.Integers(slots_.over)[0] = 1;
  result.last = over();
  return result;
}

Result<GeneratedToken> Generator::Next() {
  Generator* self = this;
  return std::move(NextOfAll({&self, 1}).front());
}

std::vector<Result<GeneratedToken>> Generator::NextOfAll(std::span<Generator* const> streams) {
  std::vector<Result<GeneratedToken>> results;
  std::vector<Generator*> ready;
  for (Generator* stream : streams) {
    const Result<void> sound = stream->CheckNext();
    results.push_back(sound ? Result<GeneratedToken>(GeneratedToken{}) : sound.error());
    if (sound) ready.push_back(stream);
  }
  if (ready.empty()) return results;
  Generator& first = *ready.front();
  const size_t width = first.model_->backbone().width(), known = first.logits_.size();
  std::vector<float> rows(ready.size() * width);
  const View<float> hidden{rows.data(), ready.size(), width};
  for (size_t i = 0; i < ready.size(); ++i)
    std::ranges::copy(ready[i]->state_.lane(0).Floats(first.slots_.hidden), hidden[i].begin());
  std::vector<float> many(ready.size() > 1 ? ready.size() * known : 0);
  const View<float> logits{many.empty() ? first.logits_.data() : many.data(), ready.size(), known};
  for (size_t at = 0; at < ready.size(); at += TextRunner::kRows) {
    const size_t count = std::min(TextRunner::kRows, ready.size() - at);
    first.runner_->Logits(hidden.Rows(at, count), logits.Rows(at, count));
  }
  std::vector<Lane> lanes;
  size_t i = 0;
  for (size_t stream = 0; stream < streams.size(); ++stream) {
    if (!results[stream]) continue;
    Generator& one = *ready[i];
    results[stream] = one.Choose(logits[i]);
    const int32_t token = results[stream]->id;
    one.Remember({&token, 1});
    one.model_->text()->Run({&token, 1}, hidden.Rows(i, 1));
    lanes.push_back(one.state_.lane(0));
    ++i;
  }
  first.runner_->Step(lanes, hidden);
  for (i = 0; i < ready.size(); ++i)
    std::ranges::copy(hidden[i], ready[i]->state_.lane(0).Floats(first.slots_.hidden).begin());
  return results;
}

void Generator::Reset() { state_.Reset(); }

std::vector<std::byte> Generator::Save() const {
  Snapshot snapshot;
  snapshot.model = model_->fingerprint();
  snapshot.position = position();
  snapshot.parts = {
      {"generate", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}}};
  return snapshot.Serialize();
}

Result<void> Generator::CheckState(const State& state) const {
  const Lane lane = state.lane(0);
  if (Result<void> sound = model_->backbone().CheckLane(lane); !sound) return sound;
  const auto within = [&](Slot slot, int64_t most) {
    return std::ranges::all_of(lane.Integers(slot),
                               [&](int64_t value) { return value >= 0 && value <= most; });
  };
  constexpr int64_t kLong = int64_t{1} << 62;
  const Error unsound{"the state of the text is out of range"};
  if (!within(slots_.recent, static_cast<int64_t>(model_->text()->tokens()) - 1) ||
      !within(slots_.position, kLong) || !within(slots_.generated, kLong) ||
      !within(slots_.over, 1) || !within(slots_.held_bytes, StopStrings::kMostBytes) ||
      !within(slots_.pending_bytes, 3))
    return unsound;
  if (!Utf8Stream::Make(GetBytes(lane, slots_.pending, slots_.pending_bytes))) return unsound;
  return {};
}

Result<void> Generator::Restore(std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  return RestorePart(
      *snapshot, "generate", model_->fingerprint(), layout_.fingerprint(),
      [this](const State& state) { return CheckState(state); }, state_);
}

}  // namespace rill
