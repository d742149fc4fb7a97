// The recordings of the shared data set: a manifest of utterances, split by speakers.
//
// manifest.tsv has the columns file, start, end (seconds), speaker, transcript. Of the speakers of
// each set (the folder of the file), sorted by their bytes, every fifth from the fifth on is
// validation and every fifth from the fourth on is test; a set of one speaker is for training.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model.h"  // Result

namespace rill {

struct Utterance {
  std::string set, file, speaker;
  double start = 0, end = 0;  // seconds
  std::string text;           // as SpokenText() gives it
  std::string split;          // train, validation or test
};

// All of the manifest in that folder.
Result<std::vector<Utterance>> ReadManifest(const std::string& folder);

// A text as it is spoken: lower case, a-z and apostrophes, numbers as words. Years are read in
// pairs, numbers with a leading zero digit by digit, "1940's" as a decade.
std::string SpokenText(std::string_view text);

std::vector<std::string> SplitWords(const std::string& text);

// A number of seconds of a recording; none where the text is something else.
std::optional<double> ParseSeconds(const std::string& text);

}  // namespace rill
