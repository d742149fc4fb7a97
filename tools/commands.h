// The sub-commands of `rill`, one file each: rill_NAME.cc.
#pragma once

#include <CLI/CLI.hpp>

namespace rill {

// Each adds itself to `app`; if the user chose it, it runs while the command line is parsed and
// leaves its exit code in `code`.
void AddInspect(CLI::App& app, int& code);
void AddForecast(CLI::App& app, int& code);
void AddTranscribe(CLI::App& app, int& code);
void AddClassify(CLI::App& app, int& code);
void AddGenerate(CLI::App& app, int& code);
void AddQuantize(CLI::App& app, int& code);
void AddLogits(CLI::App& app, int& code);
void AddBench(CLI::App& app, int& code);

}  // namespace rill
