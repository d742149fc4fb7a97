// The `rill` command as a user meets it: a process, its output and its exit code.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace rill::testing {

using nlohmann::json;

struct Outcome {
  int code = -1;
  std::string out, err;
};

inline std::string Slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Rill : public ::testing::Test {
 protected:
  Rill()
      : folder_(std::filesystem::temp_directory_path() /
                ("rill_test." + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    WriteRows("rows.csv", 0, 60);
  }
  ~Rill() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // Hourly rows [first, last) of two columns.
  void WriteRows(const std::string& name, int first, int last) const {
    std::ofstream file(folder_ / name);
    file << "time,temperature,pressure\n";
    for (int t = first; t < last; ++t)
      file << 1'500'000'000 + 3600 * t << ',' << 20 + 5 * std::sin(t * 0.7) << ',' << 1000 + t % 7
           << '\n';
  }

  Outcome Run(const std::string& arguments) const {
    return Shell(RILL_BINARY_DIR "/bin/rill " + arguments);
  }
  // What a shell makes of a whole command.
  Outcome Shell(const std::string& command) const {
    const int status =
        std::system(("{ " + command + "\n} >" + Path("out") + " 2>" + Path("err")).c_str());
    return {WEXITSTATUS(status), Slurp(folder_ / "out"), Slurp(folder_ / "err")};
  }
  Outcome Forecast(const std::string& arguments) const {
    return Run("forecast -m " RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf " + arguments);
  }

  std::filesystem::path folder_;
};

inline std::vector<json> Lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

// One sentence: one line that starts with the command's name.
inline void ExpectSentence(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.err.rfind("rill: ", 0), 0u) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

}  // namespace rill::testing
