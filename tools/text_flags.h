// How much of a text the attention of a model sees, as flags of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "pipeline/model.h"

namespace rill {

// --context, of at least `least` tokens and with that help, --window and --sinks.
void AddContextFlags(CLI::App& command, Model::Options& options, size_t least,
                     const std::string& help);

}  // namespace rill
