// The last stage of a stream of text: logits to tokens, and what text they give.
//
// Characters that are not complete and text that may be the beginning of a stop string wait for
// what follows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modalities/stop_strings.h"
#include "modalities/token_sampler.h"
#include "pipeline/model.h"
#include "pipeline/snapshot.h"

namespace rill {

struct GeneratorOptions {
  SamplerOptions sampling = {};
  std::vector<std::string> stops = {};  // text ends before the first of these
  bool ignore_end = false;              // go on after a token that ends the text
};

struct GeneratedToken {
  int32_t id = 0;
  std::string text;   // characters that are complete with it; may be empty
  bool last = false;  // the text is over with this token
};

class GenerateStage {
 public:
  // The model must have the encoder and the head of text.
  static Result<GenerateStage> Open(std::shared_ptr<const Model> model, GeneratorOptions options);

  // Takes tokens that the stream goes on with, chosen or said by others; of the model's.
  void Take(std::span<const int32_t> tokens);
  // The text ends before its last token: what was held back of it. A character that is not complete
  // is lost.
  std::string Cut();
  // Another text begins.
  void Resume();
  // Chooses from the logits of the last token, which it changes, and says what text that gives. The
  // token is not taken yet. Refuses logits that are not finite.
  Result<GeneratedToken> Choose(std::span<float> logits);
  void Reset() { state_.Reset(); }

  int64_t position() const { return state_.lane(0).Integers(position_)[0]; }  // tokens taken
  std::optional<int32_t> last_token() const;                                  // of those
  bool over() const { return state_.lane(0).Integers(over_)[0] != 0; }
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  GenerateStage(std::shared_ptr<const Model> model, GeneratorOptions options);

  // The last tokens, as many as the penalty looks at.
  std::vector<int32_t> Recent() const;
  std::string Show(int32_t token, bool last);
  Result<void> Check(const State& state) const;

  std::shared_ptr<const Model> model_;
  GeneratorOptions options_;
  StateLayout layout_;
  // The last tokens; how many were taken and chosen; text not yet shown.
  Slot recent_, position_, over_, generated_, held_, held_bytes_, pending_, pending_bytes_;
  State state_;
  StopStrings stops_;
  TokenSampler sampler_;
};

}  // namespace rill
