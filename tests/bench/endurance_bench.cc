// Memory of a pipeline that runs for long: filesrc ! lfmsensorparse ! lfmforecaster ! fakesink over
// a million rows of CSV, a forecast every 24 rows. Prints the resident memory and the heap in use
// after each tenth; once warm, neither grows, and the exit status is 1 where one does.
//
//   endurance_bench [ROWS]
#include <gst/gst.h>

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

namespace {

constexpr int64_t kEvery = 24;  // rows between two forecasts
constexpr int64_t kTenths = 10;
constexpr double kMostGrowthMegabytes = 1;  // from the second tenth on: what malloc may shuffle

double ResidentMegabytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

// A file of rows that is gone when this is.
class Rows {
 public:
  explicit Rows(int64_t count)
      : path_(std::filesystem::temp_directory_path() /
              ("rill-endurance-" + std::to_string(getpid()) + ".csv")) {
    std::ofstream file(path_);
    file << "time,value\n";
    for (int64_t t = 0; t < count; ++t)
      file << 1'500'000'000 + 60 * t << ',' << 20 + 5 * std::sin(0.01 * static_cast<double>(t))
           << '\n';
  }
  ~Rows() { std::filesystem::remove(path_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Watch {  // streaming thread only
  int64_t forecasts = 0;
  int64_t tenth = 0;             // forecasts
  std::vector<double> resident;  // megabytes after each tenth
};

GstPadProbeReturn Count(GstPad*, GstPadProbeInfo*, gpointer data) {
  auto& watch = *static_cast<Watch*>(data);
  if (++watch.forecasts % watch.tenth == 0) {
    watch.resident.push_back(ResidentMegabytes());
    const struct mallinfo2 heap = mallinfo2();
    std::printf("%10" PRId64 " rows  resident %7.2f MB  heap %9zu bytes\n",
                watch.forecasts * kEvery, watch.resident.back(), heap.uordblks + heap.hblkhd);
  }
  return GST_PAD_PROBE_OK;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const int64_t count = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  if (count < kTenths * kEvery) {
    std::fprintf(stderr, "%" PRId64 " rows, at least %" PRId64 " are wanted\n", count,
                 kTenths * kEvery);
    return 2;
  }
  const Rows rows(count);
  const std::string description =
      "filesrc location=" + rows.path() +
      " ! lfmsensorparse ! lfmforecaster messages=false every=" + std::to_string(kEvery) +
      " ! fakesink name=sink";
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(description.c_str(), &error);
  if (error != nullptr) {
    std::fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  Watch watch;
  watch.tenth = count / kEvery / kTenths;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, Count, &watch, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* end = gst_bus_timed_pop_filtered(
      bus, GST_CLOCK_TIME_NONE, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  bool failed = GST_MESSAGE_TYPE(end) == GST_MESSAGE_ERROR;
  if (failed) {
    gst_message_parse_error(end, &error, nullptr);
    std::fprintf(stderr, "%s\n", error->message);
    g_clear_error(&error);
  }
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pad);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  if (!failed && watch.resident.back() > watch.resident[1] + kMostGrowthMegabytes) {
    std::fprintf(stderr, "resident memory grew by %.2f MB\n",
                 watch.resident.back() - watch.resident[1]);
    failed = true;
  }
  return failed ? 1 : 0;
}
