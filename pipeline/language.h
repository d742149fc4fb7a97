// The language that speech is in, as BCP 47 names it: en, en-US.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model.h"

namespace rill {

// What a model transcribes: its key general.languages, or English when it does not say.
Result<std::vector<std::string>> Languages(const Model& model);

// Whether `code`, a language with or without a region, is one of the languages that are known. The
// region does not matter.
Result<void> CheckLanguage(std::string_view code, std::span<const std::string> known);

}  // namespace rill
