#include "tools/forecast_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "pipeline/clock.h"
#include "tools/axis.h"
#include "tools/forecast_text.h"
#include "tools/image_writer.h"

namespace rill {
namespace {

// Pixels of the finished image; it is drawn kOver times as large and shrunk, which smooths it.
constexpr int kOver = 3;
constexpr int kWidth = 1200, kPanelHeight = 300, kFooter = 10;
constexpr int kLeft = 76, kRight = 40, kTop = 44, kBottom = 34;
constexpr int kSubpixelBits = 4;  // of OpenCV's fixed-point coordinates

const cv::Scalar kPaper(255, 255, 255), kInk(60, 52, 45), kFaint(232, 228, 224);  // BGR
const cv::Scalar kGrey(140, 132, 124), kSeen(96, 82, 70), kLater(60, 150, 50), kMedian(196, 92, 20);
const cv::Scalar kOuterBand(250, 228, 205), kInnerBand(242, 200, 158);

struct Panel {
  cv::Mat& image;
  int top;  // of the panel, finished pixels
  double first_ns, last_ns, low, high;

  double x(double ns) const {
    return kLeft + (kWidth - kLeft - kRight) * (ns - first_ns) / (last_ns - first_ns);
  }
  double y(double value) const {
    return top + kTop + (kPanelHeight - kTop - kBottom) * (high - value) / (high - low);
  }
};

cv::Point Fixed(double x, double y) {
  constexpr double kUnits = kOver * (1 << kSubpixelBits);
  return {static_cast<int>(std::lround(x * kUnits)), static_cast<int>(std::lround(y * kUnits))};
}

void Line(cv::Mat& image, double x0, double y0, double x1, double y1, const cv::Scalar& colour,
          int thickness) {
  cv::line(image, Fixed(x0, y0), Fixed(x1, y1), colour, thickness, cv::LINE_AA, kSubpixelBits);
}

enum class Anchor { kLeft, kMiddle, kRight };

// Returns the width of the text.
double Text(cv::Mat& image, const std::string& text, double x, double y, Anchor anchor,
            const cv::Scalar& colour, double height_px) {
  std::string ascii = text;  // the fonts have nothing else
  std::replace_if(
      ascii.begin(), ascii.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  const double scale =
      cv::getFontScaleFromHeight(cv::FONT_HERSHEY_DUPLEX, static_cast<int>(height_px * kOver), 2);
  int baseline = 0;
  const int width = cv::getTextSize(ascii, cv::FONT_HERSHEY_DUPLEX, scale, 2, &baseline).width;
  const int shift = anchor == Anchor::kLeft ? 0 : anchor == Anchor::kMiddle ? width / 2 : width;
  cv::putText(image, ascii,
              {static_cast<int>(x * kOver) - shift, static_cast<int>((y + height_px / 2) * kOver)},
              cv::FONT_HERSHEY_DUPLEX, scale, colour, 2, cv::LINE_AA);
  return static_cast<double>(width) / kOver;
}

// A line through the rows of one column, broken where values are missing.
void Curve(const Panel& panel, const std::vector<ChartRow>& rows, size_t column,
           const cv::Scalar& colour, int thickness) {
  std::vector<cv::Point> points;
  const auto draw = [&] {
    if (points.size() == 1) points.push_back(points[0]);
    cv::polylines(panel.image, points, false, colour, thickness, cv::LINE_AA, kSubpixelBits);
    points.clear();
  };
  for (const ChartRow& row : rows) {
    if (std::isfinite(row.values[column]))
      points.push_back(
          Fixed(panel.x(static_cast<double>(row.unix_ns)), panel.y(row.values[column])));
    else if (!points.empty())
      draw();
  }
  if (!points.empty()) draw();
}

double StepNs(const Forecast& forecast, size_t h) {
  return static_cast<double>(forecast.last_ns) +
         static_cast<double>(h + 1) * static_cast<double>(forecast.step_ns);
}

void Band(const Panel& panel, const Forecast& forecast, size_t column, size_t lower, size_t upper,
          const cv::Scalar& colour) {
  std::vector<cv::Point> outline;
  for (size_t h = 0; h < forecast.horizon; ++h)
    outline.push_back(Fixed(panel.x(StepNs(forecast, h)), panel.y(forecast.at(column, h)[upper])));
  for (size_t h = forecast.horizon; h-- > 0;)
    outline.push_back(Fixed(panel.x(StepNs(forecast, h)), panel.y(forecast.at(column, h)[lower])));
  cv::fillPoly(panel.image, std::vector<std::vector<cv::Point>>{outline}, colour, cv::LINE_AA,
               kSubpixelBits);
}

void DrawAxes(const Panel& panel) {
  const double bottom = panel.top + kPanelHeight - kBottom;
  for (const Tick& tick : NumberTicks(panel.low, panel.high, 5)) {
    Line(panel.image, kLeft, panel.y(tick.at), kWidth - kRight, panel.y(tick.at), kFaint, kOver);
    Text(panel.image, tick.label, kLeft - 10, panel.y(tick.at), Anchor::kRight, kGrey, 10);
  }
  const std::vector<Tick> ticks =
      TimeTicks(static_cast<int64_t>(panel.first_ns), static_cast<int64_t>(panel.last_ns), 12);
  for (const Tick& tick : ticks) {
    const double x = panel.x(panel.first_ns + tick.at);
    Line(panel.image, x, bottom, x, bottom + 5, kGrey, kOver);
    Text(panel.image, tick.label, x, bottom + 17, Anchor::kMiddle, kGrey, 10);
  }
  Line(panel.image, kLeft, bottom, kWidth - kRight, bottom, kGrey, kOver);
}

void DrawLegend(const Panel& panel, const Chart& chart) {
  double x = kWidth - kRight;
  const double y = panel.top + kTop / 2.0;
  const auto entry = [&](const std::string& text, const cv::Scalar& colour, double thickness) {
    x -= Text(panel.image, text, x, y, Anchor::kRight, kGrey, 10) + 8;
    cv::rectangle(panel.image, Fixed(x - 18, y - thickness / 2), Fixed(x, y + thickness / 2),
                  colour, cv::FILLED, cv::LINE_AA, kSubpixelBits);
    x -= 36;
  };
  const std::span<const float> levels = chart.forecast.levels;
  entry(fmt::format("{:.0f} to {:.0f} %", 100 * levels.front(), 100 * levels.back()), kOuterBand,
        12);
  entry("median", kMedian, 3);
  if (!chart.actual.empty()) entry("what came", kLater, 2);
  entry("seen", kSeen, 2);
}

// The range of everything a panel shows, with some air.
std::pair<double, double> Range(const Chart& chart, size_t column) {
  double low = INFINITY, high = -INFINITY;
  const auto include = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const auto* rows : {&chart.history, &chart.actual})
    for (const ChartRow& row : *rows) include(row.values[column]);
  for (size_t h = 0; h < chart.forecast.horizon; ++h)
    for (const float value : chart.forecast.at(column, h)) include(static_cast<double>(value));
  if (!(low <= high)) return {0, 1};
  const double air = high > low ? 0.06 * (high - low) : std::max(1e-6, 0.1 * std::fabs(high));
  return {low - air, high + air};
}

void DrawPanel(cv::Mat& image, const Chart& chart, size_t column, int top) {
  const Forecast& forecast = chart.forecast;
  const auto [low, high] = Range(chart, column);
  const int64_t begin = chart.history.empty() ? forecast.last_ns : chart.history.front().unix_ns;
  const Panel panel{image, top, static_cast<double>(begin), StepNs(forecast, forecast.horizon - 1),
                    low,   high};
  DrawAxes(panel);
  const size_t levels = forecast.levels.size(), median = MedianIndex(forecast.levels);
  if (levels > 1) Band(panel, forecast, column, 0, levels - 1, kOuterBand);
  const size_t inner = levels / 4;
  if (inner > 0) Band(panel, forecast, column, inner, levels - 1 - inner, kInnerBand);
  const double now = panel.x(static_cast<double>(forecast.last_ns));
  Line(image, now, top + kTop, now, top + kPanelHeight - kBottom, kGrey, kOver);
  Curve(panel, chart.history, column, kSeen, 4);
  std::vector<ChartRow> actual = chart.actual;
  if (!actual.empty() && !chart.history.empty())
    actual.insert(actual.begin(), chart.history.back());  // so that the two curves meet
  Curve(panel, actual, column, kLater, 4);
  std::vector<cv::Point> middle;
  for (size_t h = 0; h < forecast.horizon; ++h)
    middle.push_back(Fixed(panel.x(StepNs(forecast, h)), panel.y(forecast.at(column, h)[median])));
  cv::polylines(image, middle, false, kMedian, 6, cv::LINE_AA, kSubpixelBits);
  const double y = top + kTop / 2.0;
  const double width = Text(image, chart.columns[column], kLeft, y, Anchor::kLeft, kInk, 14);
  Text(image, "after " + Iso8601(forecast.last_ns), kLeft + width + 14, y + 1, Anchor::kLeft, kGrey,
       10);
  DrawLegend(panel, chart);
}

}  // namespace

Result<void> WriteChart(const Chart& chart, const std::string& path) {
  if (chart.forecast.step_ns <= 0)
    return Error{"a chart needs the time of a step: two rows or --step"};
  const size_t panels = std::min(chart.columns.size(), kMostPanels);
  const int height = static_cast<int>(panels) * kPanelHeight + kFooter;
  // OpenCV reports by exceptions; they end here.
  try {
    cv::Mat large(height * kOver, kWidth * kOver, CV_8UC3, kPaper);
    for (size_t c = 0; c < panels; ++c)
      DrawPanel(large, chart, c, static_cast<int>(c) * kPanelHeight);
    cv::Mat image;
    cv::resize(large, image, {kWidth, height}, 0, 0, cv::INTER_AREA);
    return WriteImage(path, {image.data, image.total() * image.elemSize()}, kWidth,
                      static_cast<size_t>(height));
  } catch (const cv::Exception& error) {
    return Error{path + ": the image cannot be written: " + error.err};
  }
}

}  // namespace rill
