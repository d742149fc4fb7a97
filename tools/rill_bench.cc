// `rill bench`: the project's own measurements.
#include "tools/rill_bench.h"
#include "tools/commands.h"

namespace rill {

void AddBench(CLI::App& app, int& code) {
  CLI::App* bench = app.add_subcommand("bench", "Measure quality and speed");
  bench->require_subcommand(1);
  AddBenchClassify(*bench, code);
  AddBenchForecast(*bench, code);
  AddBenchGenerate(*bench, code);
  AddBenchSpeech(*bench, code);
}

}  // namespace rill
