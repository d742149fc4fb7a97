// What the framework costs: the chain lfmsensorenc ! lfmbackbone ! lfmforecast, which forecasts
// after every row, against a Session that computes the same, row by row in turn. Prints medians of
// the time of one row in microseconds.
//
//   elements_bench [MODEL]
#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "pipeline/session.h"

namespace {

constexpr int kRows = 20000;
constexpr int kElements = 3;
constexpr GstClockTime kInterval = GST_SECOND;

double Now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(time).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRows / 2, values.end());
  return values[kRows / 2];
}

GstBuffer* RowBuffer(int t, double value) {
  GstBuffer* buffer = gst_buffer_new_memdup(&value, sizeof value);
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(t) * kInterval;
  return buffer;
}

// Time to push one row and take what came out.
double Push(GstHarness* harness, GstBuffer* buffer) {
  const double begin = Now();
  gst_harness_push(harness, buffer);
  const double end = Now();
  while (GstBuffer* out = gst_harness_try_pull(harness)) gst_buffer_unref(out);
  return end - begin;
}

GstHarness* Open(const std::string& description) {
  GstHarness* harness = gst_harness_new_parse(description.c_str());
  gst_harness_set_src_caps_str(harness,
                               "other/tensors,format=static,num_tensors=1,types=float64,"
                               "dimensions=(string)1:1:1:1,framerate=0/1");
  gst_harness_play(harness);
  return harness;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const auto path = rill::FindModel(argc > 1 ? argv[1] : "sensor-forecast");
  const auto model = path ? rill::Model::Load(*path) : path.error();
  auto session = model ? rill::Session::Open(*model, {.channels = 1, .every = 1, .horizon = 1})
                       : rill::Result<rill::Session>(model.error());
  if (!session) {
    std::fprintf(stderr, "%s\n", session.error().message.c_str());
    return 1;
  }
  GstHarness* identity = Open("identity");
  GstHarness* chain =
      Open("lfmsensorenc every=1 model-path=" + *path + " ! lfmbackbone model-path=" + *path +
           " ! lfmforecast horizon=1 format=tensors messages=false model-path=" + *path);
  std::vector<double> plain, whole, core, overhead;
  for (int t = 0; t < kRows; ++t) {
    const double value = std::sin(0.1 * t);
    plain.push_back(Push(identity, RowBuffer(t, value)));
    whole.push_back(Push(chain, RowBuffer(t, value)));
    const double begin = Now();
    if (!session->Push(t * static_cast<int64_t>(kInterval), {&value, 1})) return 1;
    core.push_back(Now() - begin);
    overhead.push_back((whole.back() - core.back()) / kElements - plain.back());
  }
  std::printf(
      "identity %.2f  chain of %d %.2f  session %.2f  overhead an element above identity %.2f us\n",
      Median(plain), kElements, Median(whole), Median(core), Median(overhead));
  gst_harness_teardown(identity);
  gst_harness_teardown(chain);
  return 0;
}
