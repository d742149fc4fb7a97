#include "modalities/stop_strings.h"

#include <algorithm>

namespace rill {

bool StopStrings::Push(std::string_view piece, std::string& held, std::string& text) const {
  held += piece;
  size_t end = std::string::npos;
  for (const std::string& string : strings_) end = std::min(end, held.find(string));
  if (end != std::string::npos) {
    text.append(held, 0, end);
    held.clear();
    return true;
  }
  size_t keep = 0;  // the longest end of the text that begins a stop string
  for (const std::string& string : strings_)
    for (size_t n = std::min(held.size(), string.size() - 1); n > keep; --n)
      if (held.ends_with(std::string_view(string).substr(0, n))) keep = n;
  text.append(held, 0, held.size() - keep);
  held.erase(0, held.size() - keep);
  return false;
}

}  // namespace rill
