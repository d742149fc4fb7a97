#include "tools/speech_data.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace rill {
namespace {

constexpr const char* kOnes[] = {"zero",    "one",     "two",       "three",    "four",
                                 "five",    "six",     "seven",     "eight",    "nine",
                                 "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                 "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr const char* kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                 "fifty", "sixty", "seventy", "eighty", "ninety"};

// Words of 0 to 999,999.
std::string Cardinal(int64_t number) {
  if (number < 20) return kOnes[number];
  if (number < 100)
    return kTens[number / 10] + (number % 10 != 0 ? " " + Cardinal(number % 10) : "");
  const int64_t unit = number >= 1000 ? 1000 : 100;
  return Cardinal(number / unit) + (unit == 1000 ? " thousand" : " hundred") +
         (number % unit != 0 ? " " + Cardinal(number % unit) : "");
}

std::string Ordinal(int64_t number) {
  static const std::map<std::string, std::string> irregular = {
      {"one", "first"},    {"two", "second"}, {"three", "third"},   {"five", "fifth"},
      {"eight", "eighth"}, {"nine", "ninth"}, {"twelve", "twelfth"}};
  const std::string words = Cardinal(number);
  const size_t space = words.rfind(' ');
  const std::string head = space == std::string::npos ? "" : words.substr(0, space + 1);
  std::string last = words.substr(head.size());
  if (const auto found = irregular.find(last); found != irregular.end())
    last = found->second;
  else
    last = last.ends_with('y') ? last.substr(0, last.size() - 1) + "ieth" : last + "th";
  return head + last;
}

// Digits as they are said.
std::string SpokenNumber(const std::string& digits) {
  constexpr size_t kMostDigits = 6;
  if (digits == "00") return "hundred";
  if (digits.size() > kMostDigits || (digits.size() > 1 && digits[0] == '0')) {
    std::string words;
    for (const char digit : digits)
      words += (words.empty() ? "" : " ") + std::string(kOnes[digit - '0']);
    return words;
  }
  const int64_t number = std::stoll(digits);
  if (number < 1100 || number >= 2000) return Cardinal(number);
  const int64_t rest = number % 100;
  const std::string tail = rest == 0  ? "hundred"
                           : rest > 9 ? Cardinal(rest)
                                      : "oh " + std::string(kOnes[rest]);
  return Cardinal(number / 100) + " " + tail;
}

bool IsWordLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// Whether `text` goes on with `suffix` at `at`, and the word ends there.
bool EndsWith(std::string_view text, size_t at, std::string_view suffix) {
  const size_t end = at + suffix.size();
  return text.substr(at).starts_with(suffix) && (end == text.size() || !IsWordLetter(text[end]));
}

// Digits at `at` of a text as they are said; moves `at` behind them and their ending.
std::string TakeNumber(std::string_view text, size_t& at) {
  constexpr size_t kMostDigits = 6;
  const bool begins_word = at == 0 || !IsWordLetter(text[at - 1]);
  size_t end = at;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  const std::string digits(text.substr(at, end - at));
  at = end;
  for (const char* ending : {"st", "nd", "rd", "th"})
    if (digits.size() <= kMostDigits && EndsWith(text, end, ending)) {
      at += 2;
      return Ordinal(std::stoll(digits));
    }
  const std::string words = SpokenNumber(digits);
  if (begins_word && digits.size() == 4 && digits.front() == '1' && digits.back() == '0')
    for (const std::string_view ending : {"'s", "s"})  // a decade
      if (EndsWith(text, end, ending)) {
        at += ending.size();
        return words.ends_with('y') ? words.substr(0, words.size() - 1) + "ies" : words;
      }
  return words;
}

}  // namespace

std::string SpokenText(std::string_view raw) {
  std::string text(raw), spoken, out;
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (size_t at = 0; at < text.size();) {
    if (text[at] >= '0' && text[at] <= '9')
      spoken += " " + TakeNumber(text, at) + " ";
    else
      spoken += text[at++];
  }
  for (char& c : spoken)
    if (!(c >= 'a' && c <= 'z') && c != '\'') c = ' ';
  for (const std::string& word : SplitWords(spoken)) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::optional<double> ParseSeconds(const std::string& text) {
  constexpr double kMost = 1e7;  // four months
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds >= 0) ||
      seconds > kMost)
    return std::nullopt;
  return seconds;
}

std::vector<std::string> SplitWords(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Result<std::vector<Utterance>> ReadManifest(const std::string& folder) {
  const std::string path = folder + "/manifest.tsv";
  std::ifstream file(path);
  if (!file)
    return Error{path + " is not there; RILL_DATA_DIR or --data says where the data sets are"};
  std::vector<Utterance> utterances;
  std::map<std::string, std::set<std::string>> speakers;
  std::string line;
  std::getline(file, line);  // the header
  size_t row = 1;
  while (std::getline(file, line)) {
    ++row;
    line += '\t';  // so that an empty last cell is one
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, '\t');) cells.push_back(cell);
    const std::optional<double> start = cells.size() == 5 ? ParseSeconds(cells[1]) : std::nullopt;
    const std::optional<double> end = cells.size() == 5 ? ParseSeconds(cells[2]) : std::nullopt;
    if (!start || !end || *start > *end)
      return Error{path + ": row " + std::to_string(row) +
                   " is not file, start, end, speaker, transcript with 0 <= start <= end"};
    Utterance utterance{cells[0].substr(0, cells[0].find('/')),
                        folder + "/" + cells[0],
                        cells[3],
                        *start,
                        *end,
                        SpokenText(cells[4]),
                        "train"};
    speakers[utterance.set].insert(utterance.speaker);
    utterances.push_back(std::move(utterance));
  }
  for (Utterance& utterance : utterances) {
    const std::set<std::string>& all = speakers[utterance.set];
    if (all.size() == 1) continue;
    const auto index = std::distance(all.begin(), all.find(utterance.speaker)) % 5;
    if (index == 3) utterance.split = "test";
    if (index == 4) utterance.split = "validation";
  }
  return utterances;
}

}  // namespace rill
