// The text of one cell: trimmed, shown in a message, read as a number in any locale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rill {

// Without blanks at either end.
std::string_view Trim(std::string_view text);
bool EqualsIgnoringCase(std::string_view a, std::string_view b);  // ASCII letters
// In quotes, printable and short enough for a message.
std::string Excerpt(std::string_view text);
// As valid UTF-8 without control characters: text that is not UTF-8 is taken as Latin-1.
std::string ToUtf8(std::string_view text);
// "a, b, c and 4 more", for messages about columns.
std::string ListNames(const std::vector<std::string>& names);

enum class NumberKind { kNumber, kMissing, kNotANumber, kInfinite, kOutOfRange };

// Reads cells as float64: "-12.5e3", with a decimal comma where told. Missing are the empty cell,
// NA, N/A, NaN, null, none, "-" and "?", in any case, and the values given.
class NumberReader {
 public:
  NumberReader() = default;
  // `decimal` is '.', ',' or '\0': either, as a cell without grouping shows it.
  NumberReader(char decimal, std::vector<std::string> missing);

  // Sets `value` to the number, or to NaN for all other kinds.
  NumberKind Read(std::string_view cell, double& value) const;

 private:
  bool IsMissing(std::string_view text) const;

  char decimal_ = '.';
  std::vector<std::string> missing_;
  std::vector<double> missing_values_;  // those of missing_ that are numbers
};

// "is not a number", "is infinite", ...: the end of a sentence about a cell.
const char* Complaint(NumberKind kind);

}  // namespace rill
