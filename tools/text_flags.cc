#include "tools/text_flags.h"

#include "pipeline/generator.h"

namespace rill {

void AddContextFlags(CLI::App& command, Model::Options& options, size_t least,
                     const std::string& help) {
  constexpr size_t kMostTokens = 1 << 24, kMostSinks = 1 << 20;
  command.add_option("--context", options.context, help)
      ->capture_default_str()
      ->check(CLI::Range(least, kMostTokens));
  CLI::Option* window = command
                            .add_option("--window", options.window,
                                        "Go on for ever: attention sees so many of the last tokens")
                            ->capture_default_str()
                            ->check(CLI::Range(size_t{0}, kMostTokens));
  command.add_option("--sinks", options.sinks, "and so many of the first")
      ->capture_default_str()
      ->check(CLI::Range(size_t{0}, kMostSinks))
      ->needs(window);
}

void AddThreadsFlag(CLI::App& command, size_t& threads) {
  command.add_option("--threads", threads, "Threads; 0: one a core")
      ->capture_default_str()
      ->check(CLI::Range(size_t{0}, TextRunner::kMostThreads));
}

}  // namespace rill
