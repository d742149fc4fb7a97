#include "pipeline/language.h"

namespace rill {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool AreLetters(std::string_view text) {
  return text.find_first_not_of(kLetters) == std::string_view::npos;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// "en" of "en-US".
std::string_view WithoutRegion(std::string_view code) { return code.substr(0, code.find('-')); }

bool IsCode(std::string_view code) {
  const std::string_view language = WithoutRegion(code), rest = code.substr(language.size());
  return (language.size() == 2 || language.size() == 3) && AreLetters(language) &&
         (rest.empty() || (rest.size() == 3 && AreLetters(rest.substr(1))));
}

}  // namespace

Result<std::vector<std::string>> Languages(const Model& model) {
  constexpr char kKey[] = "general.languages";
  if (!model.weights().Has(kKey)) return std::vector<std::string>{"en"};
  return model.weights().Texts(kKey);
}

Result<void> CheckLanguage(std::string_view code, std::span<const std::string> known) {
  if (!IsCode(code))
    return Error{"language-code \"" + std::string(code) + "\" is not of the form en or en-US"};
  std::string all;
  for (const std::string& language : known) {
    if (Lower(WithoutRegion(language)) == Lower(WithoutRegion(code))) return {};
    all += (all.empty() ? "" : ", ") + language;
  }
  return Error{"language-code " + std::string(code) + ", the model transcribes " + all};
}

}  // namespace rill
