// Runs the plugin's tests against the plugin just built, with a registry of their own.
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

// GLib drops the table of quarks it made while it was loaded when it needs a larger one, on
// purpose. It is built without frame pointers: the leak checker needs the slow unwinder to know the
// place.
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_suppressions() {
  return "leak:_dl_init\n";
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string folder =
      (std::filesystem::temp_directory_path() / "rill-plugins-test-XXXXXX").string();
  if (g_mkdtemp(folder.data()) == nullptr) return 1;
  g_setenv("GST_REGISTRY", (folder + "/registry.bin").c_str(), TRUE);
  g_setenv("GST_REGISTRY_FORK", "no", TRUE);
  g_setenv("GST_PLUGIN_PATH", RILL_BINARY_DIR "/lib/gstreamer-1.0", TRUE);
  gst_init(&argc, &argv);
  const int failed = RUN_ALL_TESTS();
  gst_deinit();
  std::filesystem::remove_all(folder);
  return failed;
}
