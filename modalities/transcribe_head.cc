#include "modalities/transcribe_head.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace rill {
namespace {

// Logits to logarithms of their softmax.
void LogSoftmax(std::span<float> values) {
  const float most = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float y : values) sum += std::exp(static_cast<double>(y - most));
  const float total = most + static_cast<float>(std::log(sum));
  for (float& y : values) y -= total;
}

// The tokens of an output, `what` being pieces or phones; the first is the blank.
Result<std::vector<std::string>> ReadTokens(const Weights& weights, const std::string& what,
                                            size_t most) {
  const std::string key = "rill.transcribe." + what;
  Result<std::vector<std::string>> tokens = weights.Texts(key);
  if (!tokens) return tokens.error();
  if (tokens->size() < 2 || tokens->size() > most || !tokens->front().empty())
    return weights.Complain(key + " has " + std::to_string(tokens->size()) + " " + what +
                            ", 2 to " + std::to_string(most) +
                            " are read, of which the first is empty");
  return tokens;
}

}  // namespace

Result<TranscribeHead> TranscribeHead::Load(const Weights& weights, size_t width) {
  const Result<double> epsilon = weights.Number("rill.norm_epsilon", 0, 1);
  if (!epsilon) return epsilon.error();
  Result<std::vector<std::string>> pieces = ReadTokens(weights, "pieces", kMostPieces);
  if (!pieces) return pieces.error();
  const Result<int64_t> most = weights.Integer("rill.transcribe.most_lookahead", 0, kMostLookahead);
  if (!most) return most.error();
  const Result<int64_t> usual = weights.Integer("rill.transcribe.lookahead", 0, *most);
  if (!usual) return usual.error();
  constexpr int64_t kMostFlush = 1 << 10;
  const Result<int64_t> flush = weights.Integer("rill.transcribe.flush", *most, kMostFlush);
  if (!flush) return flush.error();
  Result<std::vector<float>> ahead =
      weights.Matrix("transcribe.ahead", static_cast<size_t>(*most) + 1, width);
  if (!ahead) return ahead.error();
  Result<RmsNorm> norm =
      RmsNorm::Load(weights, "transcribe.norm", width, static_cast<float>(*epsilon));
  if (!norm) return norm.error();
  Result<Linear> out =
      Linear::Load(weights, "transcribe.out", pieces->size(), width, Bias::kPresent);
  if (!out) return out.error();
  TranscribeHead head(std::move(*pieces), static_cast<size_t>(*usual), static_cast<size_t>(*flush),
                      std::move(*ahead), std::move(*norm), std::move(*out));
  if (const Result<void> loaded = head.LoadPhones(weights); !loaded) return loaded.error();
  return head;
}

Result<void> TranscribeHead::LoadPhones(const Weights& weights) {
  if (!weights.Has("rill.transcribe.phones")) return {};
  Result<std::vector<std::string>> phones = ReadTokens(weights, "phones", Lexicon::kMostPhones);
  if (!phones) return phones.error();
  const Result<std::string_view> pronunciations = weights.Bytes("rill.transcribe.pronunciations");
  if (!pronunciations) return pronunciations.error();
  Result<Linear> out =
      Linear::Load(weights, "transcribe.phones", phones->size(), width(), Bias::kPresent);
  if (!out) return out.error();
  phones_ = std::move(*phones);
  pronunciations_ = *pronunciations;
  phones_out_.emplace(std::move(*out));
  return {};
}

TranscribeHead::TranscribeHead(std::vector<std::string> pieces, size_t usual_lookahead,
                               size_t flush, std::vector<float> ahead, RmsNorm norm, Linear out)
    : pieces_(std::move(pieces)),
      usual_lookahead_(usual_lookahead),
      flush_(flush),
      ahead_(std::move(ahead)),
      norm_(std::move(norm)),
      out_(std::move(out)),
      recent_(layout_.Add("transcribe.recent", ahead_.size())),
      frames_(layout_.Add("transcribe.frames", 1, ElementType::kInt64)) {}

bool TranscribeHead::Step(std::span<const float> hidden, size_t lookahead, Lane lane,
                          Scratch& scratch, std::span<float> log_probabilities) const {
  assert(hidden.size() == width() && lookahead <= most_lookahead());
  assert(log_probabilities.size() == outputs());
  const std::span<float> recent = lane.Floats(recent_);
  std::copy(recent.begin() + static_cast<std::ptrdiff_t>(width()), recent.end(), recent.begin());
  std::copy(hidden.begin(), hidden.end(), recent.end() - static_cast<std::ptrdiff_t>(width()));
  const int64_t frames = ++lane.Integers(frames_)[0];
  if (frames <= static_cast<int64_t>(lookahead)) return false;

  Scratch::Frame frame(scratch);
  const std::span<float> x = frame.Take(1, width())[0];
  const float* window = recent.data() + (most_lookahead() - lookahead) * width();
  for (size_t i = 0; i < width(); ++i) {
    float sum = 0;
    for (size_t k = 0; k <= lookahead; ++k)
      sum = std::fma(ahead_[k * width() + i], window[k * width() + i], sum);
    x[i] = sum;
  }
  norm_.Step(x, x);
  out_.Step(x, log_probabilities.first(pieces_.size()));
  LogSoftmax(log_probabilities.first(pieces_.size()));
  if (phones_out_) {
    phones_out_->Step(x, log_probabilities.subspan(pieces_.size()));
    LogSoftmax(log_probabilities.subspan(pieces_.size()));
  }
  return true;
}

Result<void> TranscribeHead::Check(Lane lane) const {
  const std::string slot = FindNonFinite(layout_, lane);
  if (!slot.empty()) return Error{"the state " + slot + " is not finite"};
  constexpr int64_t kMostFrames = int64_t{1} << 48;  // 350,000 years
  if (frames(lane) < 0 || frames(lane) > kMostFrames)
    return Error{"the transcribe head has seen " + std::to_string(frames(lane)) + " frames"};
  return {};
}

}  // namespace rill
