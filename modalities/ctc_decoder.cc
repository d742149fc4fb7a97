#include "modalities/ctc_decoder.h"

#include <bit>
#include <cassert>
#include <set>
#include <utility>

#include "modalities/ctc_word.h"
#include "operators/core/state.h"
#include "operators/core/text.h"

namespace rill {

Result<std::shared_ptr<const CtcPieces>> CtcPieces::Make(std::vector<std::string> pieces) {
  constexpr size_t kMost = 1 << 16;
  if (pieces.size() < 2 || pieces.size() > kMost)
    return Error{std::to_string(pieces.size()) + " pieces, 2 to " + std::to_string(kMost) +
                 " are wanted"};
  if (!pieces[0].empty())
    return Error{"piece 0 is \"" + Printable(pieces[0]) + "\", it must be the empty blank"};
  std::set<std::string_view> seen;
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string_view piece = pieces[i];
    const std::string_view letters = piece.substr(piece.starts_with(' ') ? 1 : 0);
    const std::string label = "piece " + std::to_string(i) + " \"" + Printable(piece) + "\"";
    if (piece.empty() || !std::ranges::all_of(letters, IsLetter))
      return Error{label + " is not made of a-z and apostrophes, perhaps behind one space"};
    if (letters.size() > kMostLetters)
      return Error{label + " has " + std::to_string(letters.size()) + " letters, at most " +
                   std::to_string(kMostLetters)};
    if (!seen.insert(piece).second) return Error{label + " is there twice"};
  }
  return std::shared_ptr<const CtcPieces>(new CtcPieces(std::move(pieces)));
}

CtcPieces::CtcPieces(std::vector<std::string> pieces)
    : pieces_(std::move(pieces)), fingerprint_(Hash({})) {
  for (const std::string& piece : pieces_)
    fingerprint_ = Hash(std::as_bytes(std::span(piece.c_str(), piece.size() + 1)), fingerprint_);
}

namespace {

constexpr uint32_t kGreedyState = 0x31475243;  // "CRG1"

class GreedyDecoder final : public CtcDecoder {
 public:
  GreedyDecoder(std::shared_ptr<const CtcPieces> pieces, float blank_penalty)
      : pieces_(std::move(pieces)), blank_penalty_(blank_penalty) {}

  void Step(std::span<const float> log_probs, int64_t frame) override {
    assert(log_probs.size() == pieces_->size());
    if (!begun_) held_ = frame - 1;
    begun_ = true;
    now_ = frame;
    uint32_t best = 0;
    float most = SoundLog(log_probs[0]) - blank_penalty_;
    for (uint32_t i = 1; i < log_probs.size(); ++i)
      if (log_probs[i] > most) most = log_probs[best = i];
    if (best > 0) {
      held_ = frame;
      if (best == last_)
        trace_.Hold(frame, SoundLog(most));
      else
        Emit(best, SoundLog(most));
    }
    last_ = best;
  }

  std::vector<DecodedWord> TakeFinal() override { return std::exchange(final_, {}); }

  std::vector<DecodedWord> Partial() const override {
    std::vector<DecodedWord> words;
    if (!word_.empty()) words.push_back(trace_.Word(word_.text()));
    return words;
  }

  void Finish() override {
    EndWord();
    begun_ = has_words_ = false;
    last_ = 0;
  }

  int64_t blank_frames() const override { return begun_ ? std::max<int64_t>(now_ - held_, 0) : 0; }
  bool has_words() const override { return has_words_; }
  void Reset() override { *this = GreedyDecoder(pieces_, blank_penalty_); }
  std::unique_ptr<CtcDecoder> Clone() const override {
    return std::make_unique<GreedyDecoder>(*this);
  }

  std::vector<std::byte> Save() const override {
    std::vector<std::byte> out;
    PutBytes(out, kGreedyState);
    PutBytes(out, pieces_->fingerprint());
    PutBytes(out, blank_penalty_);
    PutBytes(out, last_);
    PutBytes(out, now_);
    PutBytes(out, held_);
    PutBytes(out, static_cast<uint8_t>(begun_ | has_words_ << 1));
    PutBytes(out, word_);
    PutBytes(out, trace_);
    PutBytes(out, final_);
    return out;
  }

  Result<void> Restore(std::span<const std::byte> bytes) override {
    const Error damaged{"state of a greedy decoder of " + std::to_string(bytes.size()) +
                        " bytes is damaged or cut off"};
    GreedyDecoder other(pieces_, blank_penalty_);
    Cursor cursor(bytes);
    uint32_t kind = 0;
    uint64_t fingerprint = 0;
    float penalty = 0;
    uint8_t flags = 0;
    if (!cursor.Take(kind) || !cursor.Take(fingerprint) || !cursor.Take(penalty)) return damaged;
    if (kind != kGreedyState || fingerprint != pieces_->fingerprint() ||
        std::bit_cast<uint32_t>(penalty) != std::bit_cast<uint32_t>(blank_penalty_))
      return Error{"state is of another decoder than a greedy one with these pieces and penalty"};
    if (!cursor.Take(other.last_) || other.last_ >= pieces_->size() ||
        !TakeFrame(cursor, other.now_) || !TakeFrame(cursor, other.held_) || !cursor.Take(flags) ||
        flags > 3 || !TakeSound(cursor, other.word_) ||
        !std::ranges::all_of(other.word_.text(), IsLetter) || !TakeSound(cursor, other.trace_) ||
        !TakeSound(cursor, other.final_) || cursor.left() > 0)
      return damaged;
    other.begun_ = (flags & 1) != 0;
    other.has_words_ = (flags & 2) != 0;
    *this = std::move(other);
    return {};
  }

 private:
  void Emit(uint32_t piece, float log_prob) {
    const std::string_view letters = pieces_->Letters(piece);
    if (pieces_->BeginsWord(piece) || !word_.Fits(letters)) EndWord();
    // A space alone is the first piece of the word whose letters follow.
    if (pieces_->BeginsWord(piece) || trace_.pieces == 0)
      trace_.Begin(now_, log_prob);
    else
      trace_.Add(now_, log_prob);
    for (const char letter : letters) word_.Append(letter);
    has_words_ |= !word_.empty();
  }

  void EndWord() {
    if (!word_.empty()) final_.push_back(trace_.Word(word_.text()));
    word_ = {};
    trace_ = {};
  }

  std::shared_ptr<const CtcPieces> pieces_;
  float blank_penalty_;
  uint32_t last_ = 0;  // piece of the last frame
  int64_t now_ = 0;    // the last frame
  int64_t held_ = 0;   // the last frame with a piece, or the one before the utterance
  bool begun_ = false, has_words_ = false;  // of the utterance
  SpelledWord word_;
  WordTrace trace_;
  std::vector<DecodedWord> final_;
};

}  // namespace

std::unique_ptr<CtcDecoder> MakeGreedyDecoder(std::shared_ptr<const CtcPieces> pieces,
                                              float blank_penalty) {
  return std::make_unique<GreedyDecoder>(std::move(pieces), blank_penalty);
}

}  // namespace rill
