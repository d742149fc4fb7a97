#include "modalities/row_options.h"

#include "modalities/cell_text.h"
#include "modalities/record.h"

namespace rill {

Result<std::vector<std::string>> ParseNames(std::string_view text) {
  std::vector<std::string> names;
  if (Trim(text).empty()) return names;
  Record record;
  if (const Result<void> split = SplitCsv(text, ',', record); !split)
    return Error{"list " + Excerpt(text) + ": " + split.error().message};
  for (const Cell& cell : record.cells) names.emplace_back(cell.text);
  return names;
}

Result<char> ParseSeparator(std::string_view text) {
  if (text.empty()) return '\0';
  if (text == "tab" || text == "\\t") return '\t';
  if (text == "space") return ' ';
  if (text.size() == 1) return text[0];
  return Error{Excerpt(text) + " is not one character, tab or space"};
}

}  // namespace rill
