// The smallest models with a sensor encoder and a forecast head: width, patch and horizon 1, one
// block, all weights 1 but those of the block's operator, which the caller adds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/gguf_builder.h"

namespace rill::testing {

inline GgufBuilder MiniModel(const std::string& op) {
  GgufBuilder builder;
  builder.Key("general.architecture", "rill");
  for (const char* key : {"width", "swiglu.width", "sensor.patch", "forecast.horizon"})
    builder.Key("rill." + std::string(key), 1u);
  for (const char* key : {"norm_epsilon", "sensor.memory", "sensor.clip", "sensor.outlier"})
    builder.Key("rill." + std::string(key), 1.0f);
  builder.Key("rill.operators", std::vector<std::string>{op});
  builder.Key("rill.encoders", std::vector<std::string>{"sensor"});
  builder.Key("rill.heads", std::vector<std::string>{"forecast"});
  builder.Key("rill.forecast.quantiles", std::vector<float>{0.5f});
  builder.Tensor("sensor.embed.weight", {1, 7}, {1, 1, 1, 1, 1, 1, 1});
  builder.Tensor("sensor.embed.bias", {1}, {1});
  for (const char* name : {"blk.0.norm.weight", "blk.0.mlp_norm.weight", "norm.weight"})
    builder.Tensor(name, {1}, {1});
  for (const char* name : {"gate", "up", "down"})
    builder.Tensor("blk.0.swiglu." + std::string(name) + ".weight", {1, 1}, {1});
  builder.Tensor("forecast.out.weight", {2, 1}, {1, 1});
  builder.Tensor("forecast.out.bias", {2}, {0, 0});
  return builder;
}

}  // namespace rill::testing
