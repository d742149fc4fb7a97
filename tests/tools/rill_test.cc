// `rill inspect`, `rill forecast` and `rill bench`.
#include "tests/tools/rill_process.h"

namespace rill::testing {
namespace {

TEST_F(Rill, ForecastsJsonLinesPerColumnAndPosition) {
  const Outcome outcome = Forecast(Path("rows.csv") + " --at 30,40 --horizon 5 --format json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<json> lines = Lines(outcome.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["column"], "temperature");
  EXPECT_EQ(lines[1]["column"], "pressure");
  EXPECT_EQ(lines[0]["at"], 30);
  EXPECT_EQ(lines[2]["at"], 40);
  EXPECT_EQ(lines[0]["quantiles"].size(), 5u);
  EXPECT_EQ(lines[0]["quantiles"][0].size(), lines[0]["quantile_levels"].size());
  EXPECT_EQ(lines[0]["step_seconds"], 3600);
}

TEST_F(Rill, ForecastsTheSameFromAPipeAndFromAState) {
  const Outcome whole = Forecast(Path("rows.csv") + " --json");
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(Forecast("--json - < " + Path("rows.csv")).out, whole.out);
  WriteRows("first.csv", 0, 23);
  WriteRows("second.csv", 23, 60);
  EXPECT_EQ(Forecast(Path("first.csv") + " --save-state " + Path("state")).code, 0);
  EXPECT_EQ(Forecast(Path("second.csv") + " --json --resume " + Path("state")).out, whole.out);
}

TEST_F(Rill, ForecastsEveryFewRowsAsCsv) {
  const Outcome outcome =
      Forecast(Path("rows.csv") + " --columns pressure --every 25 --horizon 2 --format csv");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("time,column,step,q", 0), 0u);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1 + 3 * 2);  // 25, 50, 60
}

TEST_F(Rill, ThinsStepsThatAreLongerThanARow) {
  const json hourly = Lines(Forecast(Path("rows.csv") + " --json --horizon 4").out).at(0);
  const json slower = Lines(Forecast(Path("rows.csv") + " --json --horizon 2 --step 2h").out).at(0);
  EXPECT_EQ(slower["step_seconds"], 7200);
  EXPECT_EQ(slower["quantiles"][1], hourly["quantiles"][3]);
  ExpectSentence(Forecast(Path("rows.csv") + " --step 90m"), "no multiple");
}

TEST_F(Rill, DrawsAPngThatIsWhole) {
  const Outcome outcome =
      Forecast(Path("rows.csv") + " --at 50 --plot " + Path("out.png") + " --format csv");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string png = Slurp(folder_ / "out.png");
  ASSERT_GT(png.size(), 1000u);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");
}

TEST_F(Rill, SaysInOneSentenceWhatIsWrong) {
  const std::string rows = Path("rows.csv");
  ExpectSentence(Forecast(rows + " --horizon 1000"), "1000 steps, the model forecasts 1 to 6");
  ExpectSentence(Forecast(rows + " --at 61"), "--at 61 lies after the end");
  ExpectSentence(Forecast(rows + " --columns wind"), "wind");
  ExpectSentence(Forecast(Path("absent.csv")), "absent.csv");
  ExpectSentence(Forecast(rows + " --resume " + rows), "rows.csv");
  ExpectSentence(Forecast(rows + " --at 50 --plot out.bmp"), "ends in .png");
  ExpectSentence(Forecast(rows + " --at 50 --plot " + Path("none/out.png")), "none/out.png");
  ExpectSentence(Forecast("- < /dev/null"), "empty");
  ExpectSentence(Run("forecast -m absent " + rows), "absent");
  ExpectSentence(Run("inspect " + rows), "rows.csv");
  ExpectSentence(Run("bench forecast --task ett_1h --baseline-only --data " + Path("")),
                 "ETTh1.csv");
}

TEST_F(Rill, ExitsWithTwoWhenUsedWrongly) {
  for (const char* arguments :
       {"", "nonsense", "forecast", "forecast x --format xml", "bench forecast --task nonsense",
        "forecast x --horizon 0", "forecast x --on-bad-row maybe"})
    EXPECT_EQ(Run(arguments).code, 2) << arguments;
  for (const char* arguments :
       {"--help", "forecast --help", "inspect --help", "bench --help", "bench forecast --help"})
    EXPECT_EQ(Run(arguments).code, 0) << arguments;
  EXPECT_NE(Run("forecast --help").out.find("Example"), std::string::npos);
}

TEST_F(Rill, InspectsModelsAsJson) {
  const Outcome outcome =
      Run("inspect --json --keys --tensors " RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json model = json::parse(outcome.out);
  uint64_t parameters = 0, tensors = 0;
  for (const json& layer : model["layers"]) parameters += layer["parameters"].get<uint64_t>();
  for (const json& tensor : model["tensor_table"]) tensors += tensor["bytes"].get<uint64_t>();
  EXPECT_EQ(parameters, model["parameters"]);
  EXPECT_LT(tensors, model["file_bytes"]);
  EXPECT_EQ(model["keys"]["general.architecture"], "rill");
  EXPECT_EQ(model["heads"]["forecast"]["horizon"], 6);
  EXPECT_EQ(model["fingerprint"].get<std::string>().size(), 16u);
}

TEST_F(Rill, InspectsEncodersAndHeadsOfEveryKind) {
  const std::string path = RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf";
  const json model = json::parse(Run("inspect --json " + path).out);
  uint64_t parameters = 0;
  for (const json& layer : model["layers"]) parameters += layer["parameters"].get<uint64_t>();
  EXPECT_EQ(parameters, model["parameters"]);
  EXPECT_EQ(model["encoders"]["image"]["width"], 14);
  EXPECT_EQ(model["heads"]["classify.sounds"]["labels"], json({"hum", "hiss", "click"}));
  EXPECT_FALSE(model["heads"]["classify.sounds"]["exclusive"].get<bool>());
  const Outcome tables = Run("inspect " + path);
  EXPECT_NE(tables.out.find("brought to 14x9 in colour"), std::string::npos) << tables.out;
  EXPECT_NE(tables.out.find("classify.pictures: 2 labels"), std::string::npos) << tables.out;
}

TEST_F(Rill, FindsStreamsEqualHoweverTheyAreCut) {
  const Outcome outcome = Run("bench forecast --task equality --json --file " + Path("rows.csv") +
                              " -m " RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(json::parse(outcome.out)["identical"].get<bool>());
}

// The published rows, from the public data; nothing is forecast.
TEST_F(Rill, ReproducesThePublishedBaselines) {
  struct Row {
    const char* task;
    double mase, sql;
  };
  for (const Row& row :
       {Row{"ett_1h", 1.3227158902, 1.207}, Row{"uci_air_quality_1H", 1.4424742215, 1.384}}) {
    const Outcome outcome =
        Run(std::string("bench forecast --json --baseline-only --task ") + row.task);
    if (outcome.err.find("is not there") != std::string::npos)
      GTEST_SKIP() << "the data sets are not there";
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const json naive = json::parse(outcome.out)["seasonal_naive"];
    EXPECT_NEAR(naive["mase"].get<double>(), row.mase, 5.1e-11) << row.task;
    EXPECT_NEAR(naive["sql"].get<double>(), row.sql, 5e-4) << row.task;
  }
}

}  // namespace
}  // namespace rill::testing
