// Scores against numbers worked out by hand, and where windows stand.
#include "tools/metrics.h"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tools/axis.h"
#include "tools/seasonal_naive.h"
#include "tools/windows.h"

namespace rill {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kExact = 1e-12;

TEST(SeasonalError, SkipsPairsWithAMissingValue) {
  const std::vector<double> history = {1, 2, 4, kNan, 9, 3};
  // season 2: |4-1| = 3, missing, |9-4| = 5, missing
  EXPECT_NEAR(SeasonalError(history, 2), 4, kExact);
  EXPECT_TRUE(std::isnan(SeasonalError(std::vector<double>{1, 2}, 2)));
}

TEST(ScoreTarget, EqualsTheDefinitions) {
  const std::array<float, 3> levels = {0.1f, 0.5f, 0.9f};
  std::vector<double> quantiles = {1, 2, 4,  //
                                   0, 5, 9,  //
                                   7, 8, 9};
  const std::vector<double> truth = {3, kNan, 6};
  const std::optional<Score> score = ScoreTarget(truth, {quantiles.data(), 3, 3}, levels, 2);
  ASSERT_TRUE(score);
  // Step 1: 2·(0.1·2 + 0.5·1 + 0.1·1) = 1.6; step 3: 2·(0.9·1 + 0.5·2 + 0.1·3) = 4.4
  EXPECT_NEAR(score->sql, (1.6 + 4.4) / 3 / 2 / 2, kExact);
  EXPECT_NEAR(score->mase, (1.0 + 2.0) / 2 / 2, kExact);
  EXPECT_NEAR(score->wql, (1.6 + 4.4) / 3 / 9, kExact);
  EXPECT_NEAR(score->coverage, 0.5, kExact);
}

TEST(ScoreTarget, IsNothingWithoutTruthOrScale) {
  const std::array<float, 3> levels = {0.1f, 0.5f, 0.9f};
  std::vector<double> quantiles = {1, 2, 3};
  const View<const double> view{quantiles.data(), 1, 3};
  EXPECT_FALSE(ScoreTarget(std::vector<double>{kNan}, view, levels, 1));
  EXPECT_FALSE(ScoreTarget(std::vector<double>{1}, view, levels, 0));
  EXPECT_FALSE(ScoreTarget(std::vector<double>{1}, view, levels, kNan));
}

TEST(NormalQuantile, EqualsTables) {
  EXPECT_EQ(NormalQuantile(0.5), 0);
  EXPECT_NEAR(NormalQuantile(0.9), 1.2815515655446004, kExact);
  EXPECT_NEAR(NormalQuantile(0.1), -1.2815515655446004, kExact);
  EXPECT_NEAR(NormalQuantile(0.001), -3.090232306167813, kExact);
}

TEST(SeasonalNaive, RepeatsTheFilledSeasonAndWidens) {
  const std::array<float, 3> levels = {0.1f, 0.5f, 0.9f};
  const std::vector<double> history = {1, 2, 4, kNan};  // filled: 1 2 4 4; differences 3 and 2
  const std::vector<double> quantiles = SeasonalNaive(history, 2, 3, levels);
  const double sigma = std::sqrt(6.5), z = 1.2815515655446004;
  ASSERT_EQ(quantiles.size(), 9u);
  EXPECT_NEAR(quantiles[1], 4, kExact);
  EXPECT_NEAR(quantiles[4], 4, kExact);
  EXPECT_NEAR(quantiles[2], 4 + z * sigma, kExact);
  EXPECT_NEAR(quantiles[6], 4 - z * sigma * std::sqrt(2), kExact);  // a season further
}

TEST(Cutoffs, AreTheWindowsThatFit) {
  EXPECT_EQ(Cutoffs(10, 20, 5, 5), (std::vector<size_t>{10, 15}));
  EXPECT_EQ(Cutoffs(10, 19, 5, 5), (std::vector<size_t>{10}));
  EXPECT_TRUE(Cutoffs(10, 14, 5, 5).empty());
  EXPECT_EQ(Cutoffs(14'060, 17'420, 168, 168).size(), 20u);  // fev-bench ETT_1H
  EXPECT_EQ(Cutoffs(11'520, 14'400, 96, 1).size(), 2'785u);  // long-term forecasting, test
}

TEST(Ticks, StandAtRoundNumbers) {
  const std::vector<Tick> numbers = NumberTicks(-0.03, 1.02, 5);
  ASSERT_EQ(numbers.size(), 6u);
  EXPECT_EQ(numbers[0].label, "0.0");
  EXPECT_EQ(numbers[5].label, "1.0");
  constexpr int64_t kHour = 3'600'000'000'000;
  const int64_t begin = 1'467'331'200'000'000'000 + kHour / 2;  // 2016-07-01T00:30Z
  const std::vector<Tick> times = TimeTicks(begin, begin + 24 * kHour, 4);
  ASSERT_EQ(times.size(), 4u);
  EXPECT_EQ(times[0].label, "06:00");
  EXPECT_EQ(times[3].label, "Jul 2");
  EXPECT_EQ(times[0].at, 5.5 * kHour);
}

}  // namespace
}  // namespace rill
