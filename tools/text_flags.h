// How a model of text runs, as flags of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "pipeline/model.h"

namespace rill {

// --context, of at least `least` tokens and with that help, --window and --sinks.
void AddContextFlags(CLI::App& command, Model::Options& options, size_t least,
                     const std::string& help);

// --threads, 0 for one a core.
void AddThreadsFlag(CLI::App& command, size_t& threads);

}  // namespace rill
