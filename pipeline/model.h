// A loaded model file: weights and layout, read-only, shared by all sessions of a process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "modalities/audio_encoder.h"
#include "modalities/chat_template.h"
#include "modalities/classify_head.h"
#include "modalities/forecast_head.h"
#include "modalities/generate_head.h"
#include "modalities/image_encoder.h"
#include "modalities/sensor_encoder.h"
#include "modalities/text_encoder.h"
#include "modalities/tokenizer.h"
#include "modalities/transcribe_head.h"
#include "operators/block.h"
#include "operators/core/weights.h"

namespace rill {

class Model {
 public:
  using Options = Backbone::Options;

  // Reads a file of architecture `rill` (docs/model-format.md), or of Liquid AI's `lfm2`, `lfm2moe`
  // or `lfm3`, whose matrices stay in the file.
  static Result<std::shared_ptr<const Model>> Load(const std::string& path,
                                                   const Options& options = {});
  static Result<std::shared_ptr<const Model>> Load(const std::shared_ptr<const Weights>& weights,
                                                   const Options& options = {});

  // Whether files of that architecture are models at all.
  static bool Knows(std::string_view architecture);

  // The model that other users of `path` in this process have loaded, or a fresh one: elements and
  // commands share weights.
  static Result<std::shared_ptr<const Model>> Shared(const std::string& path,
                                                     const Options& options = {});

  const Weights& weights() const { return *weights_; }
  const std::string& name() const { return name_; }
  uint64_t fingerprint() const { return weights_->fingerprint(); }
  // The fingerprint in hexadecimal: names the embedding space in caps.
  std::string space() const;
  // Parameters of all tensors.
  uint64_t parameters() const;

  const Backbone& backbone() const { return backbone_; }
  const Options& options() const { return options_; }
  // Null when the model has no such part.
  const SensorEncoder* sensor() const { return sensor_ ? &*sensor_ : nullptr; }
  const AudioEncoder* audio() const { return audio_ ? &*audio_ : nullptr; }
  const ImageEncoder* image() const { return image_ ? &*image_ : nullptr; }
  const ForecastHead* forecast() const { return forecast_ ? &*forecast_ : nullptr; }
  const TranscribeHead* transcribe() const { return transcribe_ ? &*transcribe_ : nullptr; }
  // By name: `classify`, `classify.NAME`.
  const std::map<std::string, ClassifyHead>& classify() const { return classify_; }
  // All three or none; the template is null where the vocabulary has no conversations.
  const TextEncoder* text() const { return text_ ? &*text_ : nullptr; }
  const GenerateHead* generate() const { return generate_ ? &*generate_ : nullptr; }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  const ChatTemplate* chat() const { return chat_ ? &*chat_ : nullptr; }

 private:
  Model(std::shared_ptr<const Weights> weights, std::string name, Backbone backbone,
        const Options& options)
      : weights_(std::move(weights)),
        name_(std::move(name)),
        backbone_(std::move(backbone)),
        options_(options) {}

  Result<void> LoadEncoder(const std::string& name);
  Result<void> LoadHead(const std::string& name);
  Result<void> LoadParts();  // that a file of architecture `rill` names
  Result<void> LoadText();

  std::shared_ptr<const Weights> weights_;
  std::string name_;
  Backbone backbone_;
  Options options_;
  std::optional<SensorEncoder> sensor_;
  std::optional<AudioEncoder> audio_;
  std::optional<ImageEncoder> image_;
  std::optional<ForecastHead> forecast_;
  std::optional<TranscribeHead> transcribe_;
  std::map<std::string, ClassifyHead> classify_;
  std::optional<TextEncoder> text_;
  std::optional<GenerateHead> generate_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_;
};

// Where a model is, by path or by the name of a shipped one: the path itself if it exists, else
// NAME or NAME.gguf in RILL_MODEL_PATH, the source tree and the installed data directory.
Result<std::string> FindModel(const std::string& path_or_name);

// The vector instructions that models run with on this CPU: "AVX2".
std::string VectorTarget();

}  // namespace rill
