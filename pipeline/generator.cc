#include "pipeline/generator.h"

#include <algorithm>
#include <cmath>

#include "pipeline/text_stage.h"

namespace rill {

TextRunner::TextRunner(std::shared_ptr<const Model> model, size_t threads)
    : model_(std::move(model)),
      workers_(threads),
      backbone_(model_->backbone(), kRows, &workers_),
      scratch_(model_->generate()->ScratchFloats(kRows), &workers_) {}

std::span<const float> TextRunner::Steps(size_t rows) {
  if (dt_.size() < rows) dt_.resize(rows, 1.0f);
  return std::span(dt_).first(rows);
}

void TextRunner::Run(Lane lane, View<float> rows) { backbone_.Run(lane, Steps(rows.rows), rows); }

void TextRunner::Step(std::span<const Lane> lanes, View<float> rows) {
  backbone_.Step(lanes, Steps(rows.rows), rows);
}

View<float> TextRunner::Logits(View<const float> hidden) {
  const GenerateHead& head = *model_->generate();
  const size_t known = head.tokens();
  if (logits_.size() < hidden.rows * known) logits_.resize(hidden.rows * known);
  const View<float> logits{logits_.data(), hidden.rows, known};
  for (size_t at = 0; at < hidden.rows; at += kRows) {
    const size_t count = std::min(kRows, hidden.rows - at);
    head.Run(hidden.Rows(at, count), scratch_, logits.Rows(at, count));
  }
  return logits;
}

Result<Generator> Generator::Open(std::shared_ptr<const Model> model, GeneratorOptions options,
                                  std::shared_ptr<TextRunner> runner) {
  Result<GenerateStage> head = GenerateStage::Open(model, std::move(options));
  if (!head) return head.error();
  if (runner == nullptr) runner = std::make_shared<TextRunner>(model, 0);
  if (&runner->model() != model.get())
    return model->weights().Complain("the runner given is of another model, " +
                                     runner->model().weights().name());
  Result<State> state = State::Make(model->backbone().layout());
  if (!state) return model->weights().Complain(state.error().message);
  return Generator(std::move(model), std::move(runner), std::move(*head), std::move(*state));
}

Generator::Generator(std::shared_ptr<const Model> model, std::shared_ptr<TextRunner> runner,
                     GenerateStage head, State state)
    : model_(std::move(model)),
      runner_(std::move(runner)),
      head_(std::move(head)),
      state_(std::move(state)),
      hidden_(last_layout_.Add("generate.hidden", model_->backbone().width())),
      last_(last_layout_) {}

void Generator::Keep(std::span<const float> hidden) {
  std::ranges::copy(hidden, last_.lane(0).Floats(hidden_).begin());
  has_last_ = true;
}

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

Result<void> Generator::Push(std::span<const int32_t> tokens) {
  if (Result<void> sound = CheckTokens(tokens); !sound) return sound;
  const size_t width = model_->backbone().width();
  std::vector<float> rows(std::min(tokens.size(), TextRunner::kRows) * width);
  for (size_t first = 0; first < tokens.size(); first += TextRunner::kRows) {
    const auto part = tokens.subspan(first, std::min(TextRunner::kRows, tokens.size() - first));
    const View<float> view{rows.data(), part.size(), width};
    model_->text()->Run(part, view);
    runner_->Run(state_.lane(0), view);
    Keep(view[part.size() - 1]);
  }
  head_.Take(tokens);
  if (!tokens.empty()) head_.Resume();
  return {};
}

Result<void> Generator::CheckNext() const {
  if (position() == 0) return Error{"nothing to go on from: push a token first"};
  if (over()) return Error{"the text is over: push more tokens, or reset the stream"};
  if (!has_last_)
    return Error{"a stream of a pipeline goes on with what is said next: push tokens first"};
  if (room() < 1)
    return Error{"the context of " + std::to_string(position()) +
                 " tokens is full: declare a longer one, or a window"};
  for (const float value : hidden())
    if (!std::isfinite(value))
      return Error{"the stream is no longer finite after " + std::to_string(position()) +
                   " tokens: the weights of " + model_->weights().name() + " are not sound"};
  return {};
}

Result<GeneratedToken> Generator::Next() {
  Generator* self = this;
  return std::move(NextOfAll({&self, 1}).front());
}

std::vector<Result<GeneratedToken>> Generator::NextOfAll(std::span<Generator* const> streams) {
  std::vector<Result<GeneratedToken>> results;
  const auto stranger = [&](size_t i) {
    return streams[i]->runner_ != streams[0]->runner_ ||
           std::ranges::find(streams.first(i), streams[i]) != streams.begin() + i;
  };
  for (size_t i = 1; i < streams.size(); ++i)
    if (stranger(i)) {
      const Error error{"stream " + std::to_string(i) + " of " + std::to_string(streams.size()) +
                        " is there twice, or has a runner of its own"};
      return std::vector<Result<GeneratedToken>>(streams.size(), error);
    }
  std::vector<Generator*> ready;
  for (Generator* stream : streams) {
    const Result<void> sound = stream->CheckNext();
    results.push_back(sound ? Result<GeneratedToken>(GeneratedToken{}) : sound.error());
    if (sound) ready.push_back(stream);
  }
  if (ready.empty()) return results;
  Generator& first = *ready.front();
  const size_t width = first.model_->backbone().width();
  std::vector<float> rows(ready.size() * width);
  const View<float> hidden{rows.data(), ready.size(), width};
  for (size_t i = 0; i < ready.size(); ++i)
    std::ranges::copy(ready[i]->hidden(), hidden[i].begin());
  const View<float> logits = first.runner_->Logits(hidden);
  std::vector<Lane> lanes;
  std::vector<Generator*> stepping;
  size_t row = 0;
  for (size_t stream = 0; stream < streams.size(); ++stream) {
    if (!results[stream]) continue;
    Generator& one = *streams[stream];
    results[stream] = one.head_.Choose(logits[row++]);
    if (!results[stream]) continue;
    const int32_t token = results[stream]->id;
    one.head_.Take({&token, 1});
    one.model_->text()->Run({&token, 1}, hidden.Rows(lanes.size(), 1));
    lanes.push_back(one.state_.lane(0));
    stepping.push_back(&one);
  }
  first.runner_->Step(lanes, hidden.Rows(0, lanes.size()));
  for (size_t i = 0; i < stepping.size(); ++i) stepping[i]->Keep(hidden[i]);
  return results;
}

void Generator::Reset() {
  state_.Reset();
  last_.Reset();
  has_last_ = false;
  head_.Reset();
}

std::vector<std::byte> Generator::Save() const {
  Snapshot snapshot;
  snapshot.model = model_->fingerprint();
  snapshot.position = position();
  const auto part = [](const char* name, const StateLayout& layout, const State& state) {
    return Snapshot::Part{name, layout.fingerprint(), {state.bytes().begin(), state.bytes().end()}};
  };
  snapshot.parts = {TextStage::PartAt(position(), last_token()),
                    part("backbone", model_->backbone().layout(), state_), head_.Save()};
  if (has_last_) snapshot.parts.push_back(part("hidden", last_layout_, last_));
  return snapshot.Serialize();
}

Result<void> Generator::Restore(std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  GenerateStage head = head_;
  if (Result<void> restored = head.Restore(*snapshot); !restored) return restored;
  Result<TextStage> text = TextStage::Open(model_, {});
  if (!text) return text.error();
  if (Result<void> restored = text->Restore(*snapshot); !restored) return restored;
  if (text->position() != head.position())
    return Error{"snapshot has " + std::to_string(text->position()) + " tokens of text and " +
                 std::to_string(head.position()) + " before the head"};
  State last = last_;
  const bool has_last = snapshot->Find("hidden") != nullptr;
  if (has_last) {
    // What is not finite is said by Next().
    const auto sound = [](const State&) -> Result<void> { return {}; };
    if (Result<void> restored = RestorePart(*snapshot, "hidden", model_->fingerprint(),
                                            last_layout_.fingerprint(), sound, last);
        !restored)
      return restored;
  }
  const auto check = [this](const State& state) {
    return model_->backbone().CheckLane(state.lane(0));
  };
  if (Result<void> restored = RestorePart(*snapshot, "backbone", model_->fingerprint(),
                                          model_->backbone().layout().fingerprint(), check, state_);
      !restored)
    return restored;
  head_ = std::move(head);
  last_ = std::move(last);
  has_last_ = has_last;
  return {};
}

}  // namespace rill
