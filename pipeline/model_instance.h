// Models by a name of the user's: elements that give the same name share weights, and only one of
// them has to say which file.
#pragma once

#include <memory>
#include <string>

#include "pipeline/model.h"

namespace rill {

// What is loaded when nobody says.
inline constexpr char kDefaultModel[] = "sensor-forecast";
inline constexpr char kDefaultSpeechModel[] = "speech-en";  // by what needs speech
inline constexpr char kDefaultImageModel[] = "rill-omni";   // by what needs pictures or classifies
inline constexpr char kDefaultTextModel[] = "";             // by what needs text: none is shipped

// The model of a path or shipped name (FindModel), shared by all its users. A non-empty `instance`
// stands for it from then on, for as long as somebody uses it: with a default path it gives the
// model it stands for, and with another model or other options it is an error.
Result<std::shared_ptr<const Model>> OpenModel(const std::string& path_or_name,
                                               const std::string& instance,
                                               const Model::Options& options = {});

}  // namespace rill
