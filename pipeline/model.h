// A loaded model file: weights and layout, read-only, shared by all sessions of a process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "modalities/audio_encoder.h"
#include "modalities/classify_head.h"
#include "modalities/forecast_head.h"
#include "modalities/image_encoder.h"
#include "modalities/sensor_encoder.h"
#include "modalities/transcribe_head.h"
#include "operators/block.h"
#include "operators/core/weights.h"

namespace rill {

class Model {
 public:
  // Reads a file of architecture `rill` (docs/model-format.md).
  static Result<std::shared_ptr<const Model>> Load(const std::string& path,
                                                   CachePrecision cache = CachePrecision::kFloat16);
  static Result<std::shared_ptr<const Model>> Load(const std::shared_ptr<const Weights>& weights,
                                                   CachePrecision cache = CachePrecision::kFloat16);

  // The model that other users of `path` in this process have loaded, or a fresh one: elements and
  // commands share weights.
  static Result<std::shared_ptr<const Model>> Shared(
      const std::string& path, CachePrecision cache = CachePrecision::kFloat16);

  const Weights& weights() const { return *weights_; }
  const std::string& name() const { return name_; }
  uint64_t fingerprint() const { return weights_->fingerprint(); }
  // The fingerprint in hexadecimal: names the embedding space in caps.
  std::string space() const;
  // Parameters of all tensors.
  uint64_t parameters() const;

  const Backbone& backbone() const { return backbone_; }
  // How its attention layers keep keys and values.
  CachePrecision cache() const { return cache_; }
  // Null when the model has no such part.
  const SensorEncoder* sensor() const { return sensor_ ? &*sensor_ : nullptr; }
  const AudioEncoder* audio() const { return audio_ ? &*audio_ : nullptr; }
  const ImageEncoder* image() const { return image_ ? &*image_ : nullptr; }
  const ForecastHead* forecast() const { return forecast_ ? &*forecast_ : nullptr; }
  const TranscribeHead* transcribe() const { return transcribe_ ? &*transcribe_ : nullptr; }
  // By name: `classify`, `classify.NAME`.
  const std::map<std::string, ClassifyHead>& classify() const { return classify_; }

 private:
  Model(std::shared_ptr<const Weights> weights, std::string name, Backbone backbone,
        CachePrecision cache)
      : weights_(std::move(weights)),
        name_(std::move(name)),
        backbone_(std::move(backbone)),
        cache_(cache) {}

  Result<void> LoadEncoder(const std::string& name);
  Result<void> LoadHead(const std::string& name);

  std::shared_ptr<const Weights> weights_;
  std::string name_;
  Backbone backbone_;
  CachePrecision cache_;
  std::optional<SensorEncoder> sensor_;
  std::optional<AudioEncoder> audio_;
  std::optional<ImageEncoder> image_;
  std::optional<ForecastHead> forecast_;
  std::optional<TranscribeHead> transcribe_;
  std::map<std::string, ClassifyHead> classify_;
};

// Where a model is, by path or by the name of a shipped one: the path itself if it exists, else
// NAME or NAME.gguf in RILL_MODEL_PATH, the source tree and the installed data directory.
Result<std::string> FindModel(const std::string& path_or_name);

// The vector instructions that models run with on this CPU: "AVX2".
std::string VectorTarget();

}  // namespace rill
