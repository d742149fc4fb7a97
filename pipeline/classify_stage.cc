#include "pipeline/classify_stage.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace rill {
namespace {

constexpr char kHead[] = "classify";
constexpr int64_t kMostFrames = 100'000;

using Heads = std::map<std::string, ClassifyHead>;

std::string NamesOf(const Heads& heads) {
  std::string names;
  for (const auto& [name, _] : heads) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Result<Heads::const_iterator> FindHead(const Model& model, const std::string& name) {
  const Heads& heads = model.classify();
  if (heads.empty()) return model.weights().Complain("the model has no classify head");
  if (name.empty() && heads.size() == 1) return heads.begin();
  for (const std::string& full : {name, std::string(kHead) + "." + name})
    if (const auto found = heads.find(full); found != heads.end()) return found;
  if (name.empty())
    return model.weights().Complain("the model has the heads " + NamesOf(heads) +
                                    "; say which is wanted");
  return model.weights().Complain("the model has no head \"" + name + "\", but " + NamesOf(heads));
}

Result<void> Check(const EventRules& rules) {
  if (!(rules.off > 0 && rules.off <= rules.on && rules.on <= 1))
    return Error{"events that begin at " + std::to_string(rules.on) + " and end below " +
                 std::to_string(rules.off) + ", where 0 < end <= begin <= 1 is needed"};
  for (const int64_t frames : {rules.on_frames, rules.off_frames})
    if (frames < 1 || frames > kMostFrames)
      return Error{"events that take " + std::to_string(frames) + " frames to begin or end, 1 to " +
                   std::to_string(kMostFrames) + " are possible"};
  return {};
}

}  // namespace

Result<ClassifyStage> ClassifyStage::Open(std::shared_ptr<const Model> model,
                                          const ClassifyOptions& options) {
  if (const Result<void> sound = rill::Check(options.events); !sound) return sound.error();
  const Result<Heads::const_iterator> head = FindHead(*model, options.head);
  if (!head) return head.error();
  return ClassifyStage(std::move(model), (*head)->second, (*head)->first, options.events);
}

ClassifyStage::ClassifyStage(std::shared_ptr<const Model> model, const ClassifyHead& head,
                             std::string name, const EventRules& rules)
    : model_(std::move(model)),
      head_(&head),
      name_(std::move(name)),
      rules_(rules),
      counters_(layout_.Add(name_ + ".counters", kFirstLabel + kOfLabel * head.labels().size(),
                            ElementType::kInt64)),
      most_(layout_.Add(name_ + ".most", head.labels().size())),
      sums_(layout_.Add(name_ + ".sums", head.labels().size(), ElementType::kFloat64)),
      state_(layout_),
      scratch_(head.ScratchFloats()),
      probabilities_(head.labels().size()) {}

void ClassifyStage::Reset() {
  state_.Reset();
  std::ranges::fill(probabilities_, 0.0f);
  events_.clear();
}

size_t ClassifyStage::best() const {
  return static_cast<size_t>(std::ranges::max_element(probabilities_) - probabilities_.begin());
}

std::vector<float> ClassifyStage::Mean() const {
  std::vector<float> mean;
  const double count = static_cast<double>(std::max<int64_t>(1, frames()));
  for (const double sum : state_.lane(0).Doubles(sums_))
    mean.push_back(static_cast<float>(sum / count));
  return mean;
}

bool ClassifyStage::IsOn(size_t label) const {
  return Counters()[kFirstLabel + kOfLabel * label + kOn] != 0;
}

std::vector<ClassEvent> ClassifyStage::Take() { return std::exchange(events_, {}); }

void ClassifyStage::Turn(size_t label, bool on, int64_t frame) {
  Counters()[kFirstLabel + kOfLabel * label + kOn] = on;
  Counters()[kFirstLabel + kOfLabel * label + kRun] = 0;
  events_.push_back({label, on, frame, state_.lane(0).Floats(most_)[label]});
}

void ClassifyStage::Run(const FrameBlock& hidden) {
  assert(hidden.scales.size() == 1);
  head_->Step(hidden.values, scratch_, probabilities_);
  const int64_t frame = Counters()[kFrames]++;
  for (size_t label = 0; label < probabilities_.size(); ++label) {
    const float p = probabilities_[label];
    state_.lane(0).Doubles(sums_)[label] += static_cast<double>(p);
    const bool on = IsOn(label);
    int64_t& run = Counters()[kFirstLabel + kOfLabel * label + kRun];
    float& most = state_.lane(0).Floats(most_)[label];
    const bool changes = on ? p < rules_.off : p >= rules_.on;
    most = on || (changes && run > 0) ? std::max(most, p) : p;
    run = changes ? run + 1 : 0;
    const int64_t needed = on ? rules_.off_frames : rules_.on_frames;
    if (run >= needed) Turn(label, !on, frame - needed + 1);
  }
}

void ClassifyStage::Finish() {
  for (size_t label = 0; label < labels().size(); ++label)
    if (IsOn(label)) Turn(label, false, frames());
}

Snapshot::Part ClassifyStage::Save() const {
  return {name_, layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> ClassifyStage::Check(const State& state) const {
  const std::span<const int64_t> counters = state.lane(0).Integers(counters_);
  bool sound = counters[kFrames] >= 0;
  for (size_t i = kFirstLabel; i < counters.size(); i += kOfLabel)
    sound = sound && (counters[i + kOn] == 0 || counters[i + kOn] == 1) &&
            counters[i + kRun] >= 0 &&
            counters[i + kRun] <= std::min(kMostFrames, counters[kFrames]);
  for (const float p : state.lane(0).Floats(most_)) sound = sound && p >= 0 && p <= 1;
  for (const double sum : state.lane(0).Doubles(sums_))
    sound = sound && sum >= 0 && sum <= 1.001 * static_cast<double>(counters[kFrames]);
  if (!sound) return Error{"snapshot has a damaged state for " + name_};
  return {};
}

Result<void> ClassifyStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) { return Check(state); };
  Result<void> restored =
      RestorePart(snapshot, name_, model_->fingerprint(), layout_.fingerprint(), check, state_);
  if (!restored) return restored;
  std::ranges::fill(probabilities_, 0.0f);
  events_.clear();
  return {};
}

}  // namespace rill
