// Language models and lexicons, shared by all their users in a process.
#pragma once

#include <memory>
#include <string>

#include "modalities/lexicon.h"
#include "modalities/ngram_lm.h"
#include "pipeline/model.h"

namespace rill {

// What the recogniser's decoder reads when nobody says.
inline constexpr char kDefaultLanguageModel[] = "speech-en.lm";

// The language model of a path or shipped name (FindModel).
Result<std::shared_ptr<const NgramLm>> OpenLanguageModel(const std::string& path_or_name);

// How words are said: what a model that has phones says, and what the file at `path` adds, a text
// as modalities/lexicon.h has it; no file when empty.
Result<std::shared_ptr<const Lexicon>> OpenLexicon(const Model& model, const std::string& path);

}  // namespace rill
