#include "pipeline/transcribe_stage.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "pipeline/language_model.h"

namespace rill {
namespace {

Result<std::unique_ptr<CtcDecoder>> MakeDecoder(const Model& model, DecoderKind kind,
                                                const TranscribeOptions& options) {
  const TranscribeHead& head = *model.transcribe();
  CtcBeamOptions search = options.search;
  search.blank_penalty = static_cast<float>(options.blank_penalty);
  if (kind == DecoderKind::kLexicon) {
    // Chosen on validation speakers (models/speech-en.md).
    constexpr float kBlankPenalty = 2.5f, kLmWeight = 1.1f, kWordBonus = 0;
    search.blank_penalty = std::min(search.blank_penalty + kBlankPenalty, 20.0f);
    search.lm_weight = kLmWeight;
    search.word_bonus = kWordBonus;
  }
  search.lm_weight = options.lm_weight.value_or(search.lm_weight);
  search.word_bonus = options.word_bonus.value_or(search.word_bonus);
  const auto widened = [](auto made) -> Result<std::unique_ptr<CtcDecoder>> {
    if (!made) return made.error();
    return std::unique_ptr<CtcDecoder>(std::move(*made));
  };
  if (kind == DecoderKind::kLexicon) {
    Result<std::shared_ptr<const Lexicon>> lexicon = OpenLexicon(model, options.pronunciations);
    if (!lexicon) return lexicon.error();
    return widened(
        MakeBeamDecoder(head.phones().size(), std::move(*lexicon), options.language_model, search));
  }
  Result<std::shared_ptr<const CtcPieces>> pieces = CtcPieces::Make(head.pieces());
  if (!pieces) return model.weights().Complain(pieces.error().message);
  if (kind == DecoderKind::kGreedy) return MakeGreedyDecoder(*pieces, search.blank_penalty);
  return widened(MakeBeamDecoder(*pieces, options.language_model, search));
}

}  // namespace

Result<TranscribeStage> TranscribeStage::Open(std::shared_ptr<const Model> model,
                                              const TranscribeOptions& options) {
  const TranscribeHead* head = model->transcribe();
  if (head == nullptr) return model->weights().Complain("the model has no transcribe head");
  const size_t lookahead = options.lookahead.value_or(head->usual_lookahead());
  if (lookahead > head->most_lookahead())
    return Error{"a lookahead of " + std::to_string(lookahead) + " frames, the model has 0 to " +
                 std::to_string(head->most_lookahead())};
  const EndpointRules& rules = options.endpoint;
  if (!(rules.pause_s > 0 && rules.long_s > 0 && rules.long_pause_s > 0))
    return Error{"endpoint rules of " + std::to_string(rules.pause_s) + ", " +
                 std::to_string(rules.long_s) + " and " + std::to_string(rules.long_pause_s) +
                 " s, all must be positive"};
  // Chosen on validation speakers and noise, for the search by phones (models/speech-en.md).
  constexpr float kMinConfidence = 0.25f;
  DecoderKind kind = options.decoder;
  if (kind == DecoderKind::kAuto)
    kind = options.language_model && !head->phones().empty() ? DecoderKind::kLexicon
                                                             : DecoderKind::kBeam;
  const float min_confidence =
      options.min_confidence.value_or(kind == DecoderKind::kLexicon ? kMinConfidence : 0);
  if (!(min_confidence >= 0 && min_confidence <= 1))
    return Error{"a least confidence of " + std::to_string(min_confidence) +
                 ", it must be from 0 to 1"};
  Result<std::unique_ptr<CtcDecoder>> decoder = MakeDecoder(*model, kind, options);
  if (!decoder) return decoder.error();
  return TranscribeStage(std::move(model), lookahead, options, kind == DecoderKind::kLexicon,
                         std::move(*decoder), WordGate(min_confidence));
}

TranscribeStage::TranscribeStage(std::shared_ptr<const Model> model, size_t lookahead,
                                 const TranscribeOptions& options, bool by_phones,
                                 std::unique_ptr<CtcDecoder> decoder, WordGate gate)
    : model_(std::move(model)),
      lookahead_(lookahead),
      endpoint_(options.endpoint),
      layout_(head().layout()),
      counters_(layout_.Add("transcribe.counters", kCounters, ElementType::kInt64)),
      state_(layout_),
      scratch_(head().ScratchFloats()),
      decoder_(std::move(decoder)),
      gate_(std::move(gate)),
      log_probabilities_(head().outputs()),
      first_(by_phones ? head().pieces().size() : 0),
      count_(by_phones ? head().phones().size() : head().pieces().size()) {
  Reset();
}

TranscribeStage::TranscribeStage(const TranscribeStage& other)
    : model_(other.model_),
      lookahead_(other.lookahead_),
      endpoint_(other.endpoint_),
      layout_(other.layout_),
      counters_(other.counters_),
      state_(other.state_),
      scratch_(other.scratch_),
      decoder_(other.decoder_->Clone()),
      gate_(other.gate_),
      log_probabilities_(other.log_probabilities_),
      first_(other.first_),
      count_(other.count_),
      events_(other.events_) {}

TranscribeStage& TranscribeStage::operator=(const TranscribeStage& other) {
  if (this != &other) *this = TranscribeStage(other);
  return *this;
}

void TranscribeStage::Reset() {
  state_.Reset();
  state_.lane(0).Integers(counters_)[kLookahead] = static_cast<int64_t>(lookahead_);
  decoder_->Reset();
  gate_.End();
  events_.clear();
}

int64_t TranscribeStage::Frames(double seconds) const {
  constexpr double kMostSeconds = 1e9;  // what is longer is for ever
  const AudioEncoder& audio = *model_->audio();
  return std::llround(std::min(seconds, kMostSeconds) * static_cast<double>(audio.rate()) /
                      static_cast<double>(audio.hop()));
}

bool TranscribeStage::IsOver() {
  if (!decoder_->has_words()) return false;
  const int64_t length = ++state_.lane(0).Integers(counters_)[kUtteranceFrames];
  const bool is_long = length >= Frames(endpoint_.long_s);
  double pause_s =
      is_long ? std::min(endpoint_.pause_s, endpoint_.long_pause_s) : endpoint_.pause_s;
  // Speech without any pause: between two words there is at least a blank.
  constexpr int64_t kMuchTooLong = 3;
  if (length >= kMuchTooLong * Frames(endpoint_.long_s)) pause_s = 0;
  return decoder_->blank_frames() >= std::max<int64_t>(1, Frames(pause_s));
}

void TranscribeStage::Run(const FrameBlock& hidden) {
  assert(hidden.scales.size() == 1);
  if (!head().Step(hidden.values, lookahead_, state_.lane(0), scratch_, log_probabilities_)) return;
  decoder_->Step(std::span(log_probabilities_).subspan(first_, count_),
                 frames() - static_cast<int64_t>(lookahead_) - 1);
  TakeWords();
  if (IsOver()) EndUtterance();
}

void TranscribeStage::EndUtterance() {
  decoder_->Finish();
  TakeWords();
  if (gate_.End()) events_.push_back({});
  state_.lane(0).Integers(counters_)[kUtteranceFrames] = 0;
}

TimedWord TranscribeStage::Timed(const DecodedWord& word) const {
  const int64_t hop = static_cast<int64_t>(model_->audio()->hop());
  return {word.text, word.first_frame * hop, (word.last_frame + 1) * hop, word.confidence};
}

void TranscribeStage::TakeWords() {
  for (const DecodedWord& word : gate_.Pass(decoder_->TakeFinal()))
    events_.push_back({Timed(word)});
}

std::vector<TranscriptEvent> TranscribeStage::Take() { return std::exchange(events_, {}); }

std::vector<TimedWord> TranscribeStage::Partial() const {
  const std::vector<DecodedWord> partial = decoder_->Partial();
  std::vector<TimedWord> words;
  if (!gate_.Shows(partial)) return words;
  for (const DecodedWord& word : partial) words.push_back(Timed(word));
  return words;
}

// The state, and behind it those of the gate and the decoder.
Snapshot::Part TranscribeStage::Save() const {
  Snapshot::Part part = {
      "transcribe", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
  gate_.Save(part.bytes);
  const std::vector<std::byte> decoder = decoder_->Save();
  part.bytes.insert(part.bytes.end(), decoder.begin(), decoder.end());
  return part;
}

Result<void> TranscribeStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) -> Result<void> {
    const std::span<const int64_t> counters = state.lane(0).Integers(counters_);
    if (counters[kLookahead] != static_cast<int64_t>(lookahead_))
      return Error{"it was made with a lookahead of " + std::to_string(counters[kLookahead]) +
                   " frames, the stream has " + std::to_string(lookahead_)};
    if (counters[kUtteranceFrames] < 0 || counters[kUtteranceFrames] > head().frames(state.lane(0)))
      return Error{"an utterance of " + std::to_string(counters[kUtteranceFrames]) + " frames"};
    return head().Check(state.lane(0));
  };
  const Snapshot::Part* part = snapshot.Find("transcribe");
  if (part == nullptr) return Error{"snapshot has no state for transcribe"};
  const size_t size = std::min(part->bytes.size(), state_.bytes().size());
  const std::span<const std::byte> bytes = part->bytes;
  const Snapshot::Part own = {"transcribe",
                              part->layout,
                              {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}};
  State restored = state_;
  if (Result<void> ok = RestorePart({snapshot.model, snapshot.position, {own}}, "transcribe",
                                    model_->fingerprint(), layout_.fingerprint(), check, restored);
      !ok)
    return ok;
  WordGate gate = gate_;
  Cursor rest(bytes.subspan(size));
  if (!gate.Restore(rest)) return Error{"snapshot: words that wait for a surer one are damaged"};
  if (const Result<void> ok = decoder_->Restore(bytes.subspan(size + rest.at())); !ok)
    return Error{"snapshot: " + ok.error().message};
  gate_ = std::move(gate);
  state_ = std::move(restored);
  events_.clear();
  return {};
}

}  // namespace rill
