// `rill inspect`: what a model file holds; keys and tensors of any GGUF file.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "pipeline/session.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/metrics.h"
#include "tools/text_flags.h"

namespace rill {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  rill inspect sensor-forecast
  rill inspect model.gguf --tensors --keys --json
  rill inspect LFM2-1.2B-Q4_0.gguf --context 128000)";
constexpr size_t kShownElements = 8;  // of a list, in a table
constexpr size_t kShownLetters = 100;

struct Part {
  std::string name;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  uint64_t state_bytes = 0;
};

// What the tensors whose names begin with one of the prefixes add up to.
Part Sum(const Weights& weights, const std::string& name,
         std::initializer_list<std::string> prefixes) {
  Part part{name};
  for (const auto& [tensor_name, tensor] : weights.tensors()) {
    for (const std::string& prefix : prefixes) {
      if (tensor_name.compare(0, prefix.size(), prefix) != 0) continue;
      part.parameters += tensor.elements();
      part.bytes += tensor.bytes.size();
      break;
    }
  }
  return part;
}

Json ScalarJson(const Weights::Scalar& scalar) {
  return std::visit(
      [](const auto& value) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>)
          return std::string(value);
        else
          return value;
      },
      scalar);
}

Json ValueJson(const Weights::Value& value) {
  if (const auto* scalar = std::get_if<Weights::Scalar>(&value)) return ScalarJson(*scalar);
  Json list = Json::array();
  for (const Weights::Scalar& scalar : std::get<std::vector<Weights::Scalar>>(value))
    list.push_back(ScalarJson(scalar));
  return list;
}

// Text from a file may hold anything: what is not UTF-8 is replaced, control letters are escaped.
std::string Safe(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string ShortValue(const Weights::Value& value) {
  const auto* list = std::get_if<std::vector<Weights::Scalar>>(&value);
  std::string text;
  if (list == nullptr) {
    text = Safe(ValueJson(value));
  } else {
    std::vector<std::string> shown;
    for (size_t i = 0; i < std::min(list->size(), kShownElements); ++i)
      shown.push_back(Safe(ScalarJson((*list)[i])));
    text = fmt::format(
        "[{}{}]", fmt::join(shown, ", "),
        list->size() > kShownElements ? fmt::format(", … {} in all", list->size()) : "");
  }
  return text.size() > kShownLetters ? text.substr(0, kShownLetters) + "..." : text;
}

std::string ShapeOf(const Tensor& tensor) {
  std::vector<uint64_t> shape(tensor.extents.begin(), tensor.extents.begin() + tensor.rank);
  std::reverse(shape.begin(), shape.end());
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::vector<Part> PartsOf(const Model& model, const Session* session) {
  const Weights& weights = model.weights();
  std::vector<Part> parts;
  if (model.sensor() != nullptr) parts.push_back(Sum(weights, "encoder sensor", {"sensor."}));
  if (model.audio() != nullptr) {
    parts.push_back(Sum(weights, "encoder audio", {"audio."}));
    parts.back().state_bytes = model.audio()->layout().bytes();
  }
  if (model.image() != nullptr) parts.push_back(Sum(weights, "encoder image", {"image."}));
  if (model.text() != nullptr) parts.push_back(Sum(weights, "encoder text", {"token_embd."}));
  for (size_t n = 0; n < model.backbone().operators().size(); ++n) {
    parts.push_back(Sum(weights, fmt::format("block {} {}", n, model.backbone().operators()[n]),
                        {fmt::format("blk.{}.", n)}));
    parts.back().state_bytes = model.backbone().state_bytes(n);
  }
  parts.push_back(Sum(weights, "norm", {"norm.", "output_norm.", "token_embd_norm."}));
  if (weights.tensors().contains("output.weight"))
    parts.push_back(Sum(weights, "head generate", {"output."}));
  if (model.forecast() != nullptr) parts.push_back(Sum(weights, "head forecast", {"forecast."}));
  if (model.transcribe() != nullptr) {
    parts.push_back(Sum(weights, "head transcribe", {"transcribe."}));
    parts.back().state_bytes = model.transcribe()->layout().bytes();
  }
  for (const auto& [name, _] : model.classify())
    parts.push_back(Sum(weights, "head " + name, {name + ".norm.", name + ".out."}));
  if (session != nullptr) {
    // What a session of one channel keeps beside the backbone's state.
    parts.front().state_bytes = session->state_bytes() - model.backbone().layout().bytes();
  }
  return parts;
}

// Of a mixture of experts, the parameters that a token uses.
std::optional<uint64_t> UsedParameters(const Weights& weights) {
  const Result<std::string> architecture = weights.Text("general.architecture");
  if (!architecture) return std::nullopt;
  constexpr int64_t kMost = 65536;
  const auto count = weights.Integer(*architecture + ".expert_count", 1, kMost);
  if (!count) return std::nullopt;
  const auto used = weights.Integer(*architecture + ".expert_used_count", 1, *count);
  if (!used) return std::nullopt;
  uint64_t sum = 0;
  for (const auto& [name, tensor] : weights.tensors())
    sum += name.find("_exps.") == std::string::npos
               ? tensor.elements()
               : tensor.elements() / static_cast<uint64_t>(*count) * static_cast<uint64_t>(*used);
  return sum;
}

// General keys worth showing, where they are there.
Json About(const Weights& weights) {
  Json about = Json::object();
  about["file"] = weights.name();
  about["file_bytes"] = weights.file_bytes();
  for (const char* key : {"name", "architecture", "license", "description", "author", "url"})
    if (const Result<std::string> text = weights.Text(std::string("general.") + key); text)
      about[key] = *text;
  uint64_t parameters = 0;
  for (const auto& [_, tensor] : weights.tensors()) parameters += tensor.elements();
  about["parameters"] = parameters;
  if (const std::optional<uint64_t> used = UsedParameters(weights)) about["a_token_uses"] = *used;
  about["tensors"] = weights.tensors().size();
  return about;
}

Json Describe(const Model& model, const std::vector<Part>& parts, const Session* one,
              const Session* two) {
  Json json = {{"fingerprint", model.space()}, {"width", model.backbone().width()}};
  Json layers = Json::array();
  for (const Part& part : parts)
    layers.push_back({{"part", part.name},
                      {"parameters", part.parameters},
                      {"bytes", part.bytes},
                      {"state_bytes", part.state_bytes}});
  json["layers"] = std::move(layers);
  json["vector_target"] = VectorTarget();
  if (model.sensor() != nullptr)
    json["encoders"]["sensor"] = {{"patch", model.sensor()->config().patch}};
  if (model.forecast() != nullptr) {
    std::vector<double> levels;
    for (const float level : model.forecast()->levels()) levels.push_back(DecimalLevel(level));
    json["heads"]["forecast"] = {{"horizon", model.forecast()->horizon()},
                                 {"quantile_levels", levels}};
  }
  if (const AudioEncoder* audio = model.audio(); audio != nullptr)
    json["encoders"]["audio"] = {{"rate_hz", audio->rate()}, {"frame_samples", audio->hop()}};
  if (const TranscribeHead* head = model.transcribe(); head != nullptr)
    json["heads"]["transcribe"] = {{"pieces", head->pieces().size()},
                                   {"phones", head->phones().size()},
                                   {"lookahead", head->usual_lookahead()},
                                   {"most_lookahead", head->most_lookahead()}};
  if (const ImageEncoder* image = model.image(); image != nullptr)
    json["encoders"]["image"] = {{"width", image->config().width},
                                 {"height", image->config().height},
                                 {"channels", image->config().channels}};
  if (model.text() != nullptr)
    json["encoders"]["text"] = {{"tokens", model.text()->tokens()},
                                {"vocabulary", model.tokenizer()->size()},
                                {"conversations", model.chat() != nullptr}};
  if (model.generate() != nullptr)
    json["heads"]["generate"] = {{"tokens", model.generate()->tokens()},
                                 {"context", model.options().context},
                                 {"window", model.options().window},
                                 {"sinks", model.options().sinks}};
  for (const auto& [name, head] : model.classify())
    json["heads"][name] = {{"labels", head.labels()}, {"exclusive", head.exclusive()}};
  if (one != nullptr && two != nullptr) {
    const size_t more = two->state_bytes() - one->state_bytes();
    json["state_bytes"] = {{"per_channel", more},
                           {"per_session", one->state_bytes() - more},
                           {"snapshot_of_one_channel", one->Save().size()}};
  }
  return json;
}

void PrintModel(const Json& json, const std::vector<Part>& parts) {
  TextTable layers({"layer", "parameters", "bytes", "state bytes"});
  Part total{"total"};
  for (const Part& part : parts) {
    layers.Add(
        {part.name, Grouped(part.parameters), Grouped(part.bytes), Grouped(part.state_bytes)});
    total.parameters += part.parameters;
    total.bytes += part.bytes;
    total.state_bytes += part.state_bytes;
  }
  layers.Add(
      {total.name, Grouped(total.parameters), Grouped(total.bytes), Grouped(total.state_bytes)});
  fmt::print("\n");
  layers.Print();
  fmt::print("\n");
  if (json.contains("state_bytes"))
    fmt::print("state        {} bytes a channel and {} a session, for ever\n",
               Grouped(json["state_bytes"]["per_channel"].get<uint64_t>()),
               Grouped(json["state_bytes"]["per_session"].get<uint64_t>()));
  const Json none = Json::object();
  const Json encoders = json.value("encoders", none), heads = json.value("heads", none);
  if (encoders.contains("sensor"))
    fmt::print(
        "encoder      sensor: a frame is {} slots; rows before the frame is full count too\n",
        encoders["sensor"]["patch"].get<size_t>());
  if (encoders.contains("audio"))
    fmt::print("encoder      audio: a frame is {} samples at {} Hz\n",
               encoders["audio"]["frame_samples"].get<size_t>(),
               encoders["audio"]["rate_hz"].get<size_t>());
  if (encoders.contains("image"))
    fmt::print("encoder      image: a frame is a picture, brought to {}x{} in {}\n",
               encoders["image"]["width"].get<size_t>(), encoders["image"]["height"].get<size_t>(),
               encoders["image"]["channels"] == 1 ? "grey" : "colour");
  if (encoders.contains("text"))
    fmt::print("encoder      text: {} tokens{}\n",
               Grouped(encoders["text"]["vocabulary"].get<size_t>()),
               encoders["text"]["conversations"].get<bool>() ? ", conversations in ChatML" : "");
  if (heads.contains("generate")) {
    const Json& head = heads["generate"];
    const size_t window = head["window"].get<size_t>();
    fmt::print("head         generate: the state is that of {}\n",
               window > 0
                   ? fmt::format("the last {} tokens and the first {}", Grouped(window),
                                 head["sinks"].get<size_t>())
                   : fmt::format("a context of {} tokens", Grouped(head["context"].get<size_t>())));
  }
  for (const auto& [name, head] : heads.items())
    if (name.starts_with("classify"))
      fmt::print("head         {}: {} labels, {}\n", name, head["labels"].size(),
                 head["exclusive"].get<bool>() ? "one of which is right" : "any of which may be");
  if (heads.contains("transcribe"))
    fmt::print(
        "head         transcribe: {} word pieces, {} phones, {} frames of lookahead, at most {}\n",
        heads["transcribe"]["pieces"].get<size_t>(), heads["transcribe"]["phones"].get<size_t>(),
        heads["transcribe"]["lookahead"].get<size_t>(),
        heads["transcribe"]["most_lookahead"].get<size_t>());
  if (heads.contains("forecast"))
    fmt::print("head         forecast: 1 to {} steps, quantiles {}\n",
               heads["forecast"]["horizon"].get<size_t>(),
               fmt::join(heads["forecast"]["quantile_levels"].get<std::vector<double>>(), " "));
  fmt::print("fingerprint  {}\n", json["fingerprint"].get<std::string>());
  fmt::print("runs on      {}\n", json["vector_target"].get<std::string>());
}

enum class Show { kNothing, kTables };

Result<Json> DescribeModel(const std::shared_ptr<const Weights>& weights,
                           const Model::Options& options, Show show) {
  const Result<std::shared_ptr<const Model>> model = Model::Load(weights, options);
  if (!model) return model.error();
  // Sessions of one and two channels: their difference is what a channel costs.
  const Result<Session> one = Session::Open(*model, {.channels = 1});
  const Result<Session> two = Session::Open(*model, {.channels = 2});
  const bool runs = one && two;
  const std::vector<Part> parts = PartsOf(**model, runs ? &*one : nullptr);
  Json json = Describe(**model, parts, runs ? &*one : nullptr, runs ? &*two : nullptr);
  if (show == Show::kTables) PrintModel(json, parts);
  return json;
}

struct InspectCommand {
  std::string model;
  Model::Options context;
  bool tensors = false, keys = false, json = false;
};

Result<void> Inspect(const InspectCommand& command) {
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  const Result<std::shared_ptr<const Weights>> weights = Weights::Open(*path);
  if (!weights) return weights.error();
  Json json = About(**weights);
  if (!command.json) {
    for (const auto& [key, value] : json.items()) {
      const std::string text = value.is_string()     ? value.get<std::string>()
                               : key == "file_bytes" ? ReadableBytes(value.get<uint64_t>())
                                                     : Grouped(value.get<uint64_t>());
      const std::string safe = Safe(text);
      fmt::print("{:<12} {}\n", key, safe.substr(1, safe.size() - 2));
    }
  }
  const Result<std::string> architecture = (*weights)->Text("general.architecture");
  if (architecture && Model::Knows(*architecture)) {
    const Result<Json> described =
        DescribeModel(*weights, command.context, command.json ? Show::kNothing : Show::kTables);
    if (described) {
      json.update(*described);
    } else {
      // Keys and tensors of a file that does not run are what one wants to see then.
      if (!command.keys && !command.tensors) return described.error();
      Note(described.error().message);
    }
  }
  if (command.keys) {
    TextTable table({"key", "value"});
    for (const auto& [key, value] : (*weights)->keys()) {
      json["keys"][key] = ValueJson(value);
      table.Add({Safe(key), ShortValue(value)});
    }
    if (!command.json) fmt::print("\n"), table.Print();
  }
  if (command.tensors) {
    TextTable table({"tensor", "type", "shape", "bytes"});
    for (const auto& [name, tensor] : (*weights)->tensors()) {
      const std::string type(InfoOf(static_cast<uint32_t>(tensor.type))->name);
      json["tensor_table"].push_back({{"name", name},
                                      {"type", type},
                                      {"shape", ShapeOf(tensor)},
                                      {"bytes", tensor.bytes.size()}});
      table.Add({Safe(name), type, ShapeOf(tensor), Grouped(tensor.bytes.size())});
    }
    if (!command.json) fmt::print("\n"), table.Print();
  }
  if (command.json) fmt::print("{}\n", Safe(json, 2));
  return {};
}

}  // namespace

void AddInspect(CLI::App& app, int& code) {
  auto options = std::make_shared<InspectCommand>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a model file holds");
  command->footer(kExamples);
  command->add_option("MODEL", options->model, "GGUF file or name of a model")->required();
  AddContextFlags(*command, options->context, 1,
                  "Text: tokens that attention sees, for the size of the state");
  command->add_flag("--tensors", options->tensors, "List the tensors");
  command->add_flag("--keys", options->keys, "List the keys");
  command->add_flag("--json", options->json, "One JSON object instead of tables");
  command->callback([options, &code] {
    const Result<void> done = Inspect(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill
