#include "pipeline/model.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "operators/core/target.h"
#include "operators/core/text.h"
#include "operators/liquid_layers.h"

namespace rill {

Result<std::shared_ptr<const Model>> Model::Load(const std::string& path, const Options& options) {
  Result<std::shared_ptr<const Weights>> weights = Weights::Open(path);
  if (!weights) return weights.error();
  return Load(*weights, options);
}

Result<std::shared_ptr<const Model>> Model::Load(const std::shared_ptr<const Weights>& weights,
                                                 const Options& options) {
  if (const Result<void> target = CheckTarget(); !target) return target.error();
  const Result<std::string> architecture = weights->Text("general.architecture");
  if (!architecture) return architecture.error();
  const bool liquid = LiquidLayers::Knows(*architecture);
  if (!Knows(*architecture))
    return weights->Complain("architecture \"" + *architecture +
                             "\" is not known; rill, lfm2, lfm2moe and lfm3 are");
  const Result<std::string> name = weights->Text("general.name");
  Result<Backbone> backbone = Backbone::Load(*weights, options);
  if (!backbone) return backbone.error();
  std::shared_ptr<Model> model(
      new Model(weights, name ? *name : "unnamed", std::move(*backbone), options));
  if (Result<void> parts = liquid ? model->LoadText() : model->LoadParts(); !parts)
    return parts.error();
  return std::shared_ptr<const Model>(model);
}

bool Model::Knows(std::string_view architecture) {
  return architecture == "rill" || LiquidLayers::Knows(architecture);
}

Result<void> Model::LoadParts() {
  const Result<std::vector<std::string>> encoders = weights_->Texts("rill.encoders");
  if (!encoders) return encoders.error();
  for (const std::string& encoder : *encoders)
    if (Result<void> loaded = LoadEncoder(encoder); !loaded) return loaded;
  const Result<std::vector<std::string>> heads = weights_->Texts("rill.heads");
  if (!heads) return heads.error();
  for (const std::string& head : *heads)
    if (Result<void> loaded = LoadHead(head); !loaded) return loaded;
  return {};
}

Result<void> Model::LoadText() {
  Result<TextEncoder> text = TextEncoder::Load(*weights_, backbone_.width());
  if (!text) return text.error();
  Result<GenerateHead> generate = GenerateHead::Load(*weights_, backbone_.width(), text->tokens());
  if (!generate) return generate.error();
  Result<std::shared_ptr<const Tokenizer>> tokenizer = Tokenizer::Load(*weights_);
  if (!tokenizer) return tokenizer.error();
  if ((*tokenizer)->size() > text->tokens())
    return weights_->Complain("the tokenizer has " + std::to_string((*tokenizer)->size()) +
                              " tokens, tensor token_embd.weight " +
                              std::to_string(text->tokens()));
  text_.emplace(std::move(*text));
  generate_.emplace(std::move(*generate));
  tokenizer_ = std::move(*tokenizer);
  if (Result<ChatTemplate> chat = ChatTemplate::Make(tokenizer_)) chat_.emplace(std::move(*chat));
  return {};
}

Result<void> Model::LoadEncoder(const std::string& name) {
  if (name == "sensor") {
    Result<SensorEncoder> loaded = SensorEncoder::Load(*weights_, backbone_.width());
    if (!loaded) return loaded.error();
    sensor_.emplace(std::move(*loaded));
  } else if (name == "audio") {
    Result<AudioEncoder> loaded = AudioEncoder::Load(*weights_, backbone_.width());
    if (!loaded) return loaded.error();
    audio_.emplace(std::move(*loaded));
  } else if (name == "image") {
    Result<ImageEncoder> loaded = ImageEncoder::Load(*weights_, backbone_.width());
    if (!loaded) return loaded.error();
    image_.emplace(std::move(*loaded));
  } else {
    return weights_->Complain("rill.encoders names \"" + Printable(name) +
                              "\"; known are sensor, audio and image");
  }
  return {};
}

Result<void> Model::LoadHead(const std::string& name) {
  if (name == "forecast") {
    if (!sensor_) return weights_->Complain("head forecast needs the encoder sensor");
    Result<ForecastHead> loaded =
        ForecastHead::Load(*weights_, backbone_.width(), sensor_->config().patch);
    if (!loaded) return loaded.error();
    forecast_.emplace(std::move(*loaded));
  } else if (name == "transcribe") {
    if (!audio_) return weights_->Complain("head transcribe needs the encoder audio");
    Result<TranscribeHead> loaded = TranscribeHead::Load(*weights_, backbone_.width());
    if (!loaded) return loaded.error();
    transcribe_.emplace(std::move(*loaded));
  } else if (name == "classify" || name.starts_with("classify.")) {
    Result<ClassifyHead> loaded = ClassifyHead::Load(*weights_, name, backbone_.width());
    if (!loaded) return loaded.error();
    classify_.emplace(name, std::move(*loaded));
  } else {
    return weights_->Complain("rill.heads names \"" + Printable(name) +
                              "\"; known are forecast, transcribe, classify and classify.NAME");
  }
  return {};
}

Result<std::shared_ptr<const Model>> Model::Shared(const std::string& path,
                                                   const Options& options) {
  // The one process-wide table: weak, so that the last user of a model frees it.
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Model>> models;
  const std::scoped_lock lock(mutex);
  std::error_code ignored;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, ignored);
  std::string key = canonical.string();
  for (const size_t option :
       {static_cast<size_t>(options.cache), options.context, options.window, options.sinks})
    key += "#" + std::to_string(option);
  std::weak_ptr<const Model>& known = models[key];
  if (std::shared_ptr<const Model> model = known.lock()) return model;
  Result<std::shared_ptr<const Model>> loaded = Load(path, options);
  if (loaded) known = *loaded;
  return loaded;
}

std::string Model::space() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fingerprint()));
  return text;
}

uint64_t Model::parameters() const {
  uint64_t count = 0;
  for (const auto& [_, tensor] : weights_->tensors()) count += tensor.elements();
  return count;
}

std::string VectorTarget() { return TargetName(); }

Result<std::string> FindModel(const std::string& path_or_name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (path_or_name.empty()) return Error{"no model is named: say which GGUF file to run"};
  if (fs::exists(path_or_name, ignored)) return path_or_name;
  std::vector<std::string> folders;
  if (const char* list = std::getenv("RILL_MODEL_PATH")) {
    std::stringstream stream(list);
    for (std::string folder; std::getline(stream, folder, ':');) folders.push_back(folder);
  }
  for (const char* folder : {RILL_SOURCE_MODELS, RILL_INSTALLED_MODELS})
    if (std::ranges::find(folders, folder) == folders.end()) folders.emplace_back(folder);
  std::string searched;
  for (const std::string& folder : folders) {
    for (const char* suffix : {"", ".gguf"}) {
      const fs::path candidate = fs::path(folder) / (path_or_name + suffix);
      if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    }
    searched += (searched.empty() ? "" : ", ") + folder;
  }
  return Error{"no model file \"" + path_or_name + "\" here or in " + searched};
}

}  // namespace rill
