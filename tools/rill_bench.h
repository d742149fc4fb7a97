// The sub-commands of `rill bench`.
#pragma once

#include <CLI/CLI.hpp>

namespace rill {

void AddBenchClassify(CLI::App& bench, int& code);
void AddBenchForecast(CLI::App& bench, int& code);
void AddBenchGenerate(CLI::App& bench, int& code);
void AddBenchSpeech(CLI::App& bench, int& code);

}  // namespace rill
