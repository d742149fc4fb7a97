// Language models, shared by all their users in a process.
#pragma once

#include <memory>
#include <string>

#include "modalities/ngram_lm.h"

namespace rill {

// What the recogniser's decoder reads when nobody says.
inline constexpr char kDefaultLanguageModel[] = "speech-en.lm";

// The language model of a path or shipped name (FindModel).
Result<std::shared_ptr<const NgramLm>> OpenLanguageModel(const std::string& path_or_name);

}  // namespace rill
