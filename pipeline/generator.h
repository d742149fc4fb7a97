// One stream of tokens over a shared model: text in, text out, in constant memory or within a
// declared context.
//
//   auto model = rill::Model::Load("LFM2-1.2B-Q4_0.gguf", {.context = 8192});
//   auto stream = rill::Generator::Open(*model, {.sampling = {.temperature = 0.3, .min_p = 0.15}});
//   stream->Push(*(*model)->chat()->Encode({{"user", "Why is the sky blue?"}}));
//   while (auto token = stream->Next()) ... token->text ...
//   rill::Generator other = stream->Fork();          // a prompt is read once, and forked
//   std::vector<std::byte> bytes = stream->Save();   // equal bytes, equal future
//
// What comes out does not depend on the pieces that a prompt comes in, on the number of threads, or
// on the streams beside this one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "operators/core/workers.h"
#include "pipeline/generate_stage.h"
#include "pipeline/model.h"
#include "pipeline/snapshot.h"
#include "pipeline/stages.h"

namespace rill {

// Threads and working memory of generators, one at a time or many together.
class TextRunner {
 public:
  static constexpr size_t kRows = 256;  // of a block; more are cut
  static constexpr size_t kMostThreads = Workers::kMostThreads;

  // Of a model that generates text. 0 threads: as many as there are cores.
  TextRunner(std::shared_ptr<const Model> model, size_t threads);

  const Model& model() const { return *model_; }
  size_t threads() const { return workers_.threads(); }
  // Rows of one lane in time order; embeddings become hidden in place.
  void Run(Lane lane, View<float> rows);
  // One row each of many lanes.
  void Step(std::span<const Lane> lanes, View<float> rows);
  // Logits [rows, tokens] of hidden rows; they stand until the next call.
  View<float> Logits(View<const float> hidden);

 private:
  // The time steps of so many rows.
  std::span<const float> Steps(size_t rows);

  std::shared_ptr<const Model> model_;
  Workers workers_;
  BackboneRunner backbone_;
  Scratch scratch_;
  std::vector<float> dt_;  // all 1
  std::vector<float> logits_;
};

class Generator {
 public:
  // The model must have the encoder and the head of text; a runner must be of the same model.
  // Streams of one runner share its threads, and take turns.
  static Result<Generator> Open(std::shared_ptr<const Model> model, GeneratorOptions options,
                                std::shared_ptr<TextRunner> runner = nullptr);

  // Takes tokens: a prompt, or what somebody says in between. Refuses a token that the vocabulary
  // does not have, and tokens that a declared context has no room for; the stream is as it was
  // then.
  Result<void> Push(std::span<const int32_t> tokens);
  // The next token, which the stream takes as well. An error when nothing was pushed, after the
  // last token, and when the context is full.
  Result<GeneratedToken> Next();
  // The text ends here, before its last token: what was held back of it, as it may be the beginning
  // of a stop string. Pushing tokens begins another text.
  std::string Cut() { return head_.Cut(); }
  // Next of several streams in one step: weights are read once for all. An error for each when they
  // do not share a runner, or one is there twice.
  static std::vector<Result<GeneratedToken>> NextOfAll(std::span<Generator* const> streams);

  // Forgets everything.
  void Reset();
  Generator Fork() const { return *this; }
  // Snapshots are those of the elements as well; after one that these made, tokens must be pushed
  // before Next().
  std::vector<std::byte> Save() const;
  Result<void> Restore(std::span<const std::byte> snapshot);

  const Model& model() const { return *model_; }
  int64_t position() const { return head_.position(); }  // tokens taken
  int64_t room() const { return model_->backbone().Room(state_.lane(0)); }
  std::optional<int32_t> last_token() const { return head_.last_token(); }
  bool over() const { return head_.over(); }
  size_t state_bytes() const {
    return state_.bytes().size() + last_.bytes().size() + head_.state_bytes();
  }

 private:
  Generator(std::shared_ptr<const Model> model, std::shared_ptr<TextRunner> runner,
            GenerateStage head, State state);

  std::span<const float> hidden() const { return last_.lane(0).Floats(hidden_); }
  void Keep(std::span<const float> hidden);

  Result<void> CheckTokens(std::span<const int32_t> tokens) const;
  Result<void> CheckNext() const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<TextRunner> runner_;
  GenerateStage head_;
  State state_;  // the backbone's
  StateLayout last_layout_;
  Slot hidden_;  // row of the last token
  State last_;
  bool has_last_ = false;
};

}  // namespace rill
