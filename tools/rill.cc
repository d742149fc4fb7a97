// The `rill` command: one file a sub-command, listed here.
//
// Exit codes: 0 done, 1 failed (one sentence on stderr), 2 used wrongly.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "tools/commands.h"
#include "tools/console.h"

namespace {

// Whether the standard output took everything.
int Printed() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return rill::kDone;
  return rill::Fail({"cannot write all of the standard output"});
}

int Run(int argc, char** argv) {
  CLI::App app("Liquid-Foundation-Model networks on endless streams", "rill");
  app.require_subcommand(0, 1);  // with 1 it would not name a word that is none
  int code = rill::kDone;
  rill::AddInspect(app, code);
  rill::AddForecast(app, code);
  rill::AddTranscribe(app, code);
  rill::AddClassify(app, code);
  rill::AddGenerate(app, code);
  rill::AddQuantize(app, code);
  rill::AddLogits(app, code);
  rill::AddBench(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? rill::kDone : rill::kMisused;
  }
  if (app.get_subcommands().empty()) {
    fmt::print(stderr, "{}", app.help());
    return rill::kMisused;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = Run(argc, argv);
    return code == rill::kDone ? Printed() : code;
  } catch (const std::bad_alloc&) {
    std::fputs("rill: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rill: %s\n", error.what());
  }
  return rill::kFailed;
}
