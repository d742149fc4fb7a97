#include "pipeline/forecast_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace rill {
namespace {

constexpr float kLevels[] = {0.1f, 0.5f};

Forecast Example(std::vector<float> values, size_t channels) {
  Forecast forecast;
  forecast.last_ns = 1'467'331'200'250'000'000;
  forecast.step_ns = 900'000'000'000;
  forecast.position = 7;
  forecast.channels = channels;
  forecast.horizon = values.size() / channels / 2;
  forecast.levels = kLevels;
  forecast.values = std::move(values);
  return forecast;
}

TEST(ForecastJson, MirrorsQuantilesByStepThenLevel) {
  const std::string columns[] = {"OT", "load"};
  EXPECT_EQ(ToJson(Example({1, 2, 3.5f, -4, 0.1f, 1e20f, 16777216, -0.0f}, 2), columns),
            "{\"time\":\"2016-07-01T00:00:00.25Z\",\"position\":7,\"step_ns\":900000000000,"
            "\"horizon\":2,\"quantile_levels\":[0.1,0.5],\"channels\":["
            "{\"column\":\"OT\",\"quantiles\":[[1,2],[3.5,-4]]},"
            "{\"column\":\"load\",\"quantiles\":[[0.1,1e+20],[16777216,-0]]}]}");
}

TEST(ForecastJson, NamesChannelsByNumberWithoutColumns) {
  const std::string json = ToJson(Example({1, 2, 3, 4}, 2), {});
  EXPECT_NE(json.find("\"column\":\"0\""), std::string::npos);
  EXPECT_NE(json.find("\"column\":\"1\""), std::string::npos);
}

TEST(ForecastJson, WhatIsNotFiniteIsNull) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string json =
      ToJson(Example({infinity, std::numeric_limits<float>::quiet_NaN()}, 1), {});
  EXPECT_NE(json.find("[[null,null]]"), std::string::npos);
}

TEST(ForecastJson, ColumnsAreEscapedAndAlwaysUtf8) {
  const auto name = [](const std::string& column) {
    const std::string columns[] = {column};
    const std::string json = ToJson(Example({1, 2}, 1), columns);
    const size_t from = json.find("\"column\":") + 9;
    return json.substr(from, json.find(",\"quantiles\"") - from);
  };
  EXPECT_EQ(name("a \"b\" \\ \n"), R"("a \"b\" \\ \u000a")");
  EXPECT_EQ(name("°C 温度 \xf0\x9f\x8c\xa1"), "\"°C 温度 \xf0\x9f\x8c\xa1\"");
  EXPECT_EQ(name("\xb0 C"), "\"\xef\xbf\xbd C\"");
  EXPECT_EQ(name("\xc2"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(name("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace rill
