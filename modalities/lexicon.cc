#include "modalities/lexicon.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "modalities/ctc_word.h"
#include "operators/core/state.h"

namespace rill {
namespace {

using Entry = std::pair<std::string, std::string>;  // phones, word

std::string_view TakeField(std::string_view& line) {
  constexpr std::string_view kBlanks = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view field = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(field.size());
  return field;
}

// The index of a phone that may have its stress behind it; 0 for what is none.
char Find(const std::vector<std::string>& names, std::string_view phone) {
  while (!phone.empty() && phone.back() >= '0' && phone.back() <= '9') phone.remove_suffix(1);
  const auto found = std::ranges::find(names, phone);
  return found == names.end() ? '\0' : static_cast<char>(found - names.begin());
}

// What a line says; none where it says nothing.
Result<std::optional<Entry>> Read(const std::vector<std::string>& names, std::string_view line) {
  std::string_view word = TakeField(line);
  if (word.empty() || word.starts_with('#') || word.starts_with(";;;"))
    return std::optional<Entry>();
  const std::string said(word);
  if (word.ends_with(')')) word = word.substr(0, word.find('('));
  if (word.empty() || word.size() > CtcPieces::kMostLetters || !std::ranges::all_of(word, IsLetter))
    return Error{"\"" + said + "\" is not 1 to " + std::to_string(CtcPieces::kMostLetters) +
                 " letters a-z and apostrophes"};
  std::string phones;
  for (std::string_view phone = TakeField(line); !phone.empty(); phone = TakeField(line)) {
    phones += Find(names, phone);
    if (phones.back() == '\0')
      return Error{"\"" + std::string(phone) + "\" is no phone of the model"};
  }
  if (phones.empty() || phones.size() > CtcPieces::kMostLetters)
    return Error{"\"" + said + "\" is said with " + std::to_string(phones.size()) +
                 " phones, 1 to " + std::to_string(CtcPieces::kMostLetters) + " are read"};
  return std::optional<Entry>({std::move(phones), std::string(word)});
}

}  // namespace

Result<std::shared_ptr<const Lexicon>> Lexicon::Make(const std::vector<std::string>& names,
                                                     std::span<const Source> sources) {
  if (names.size() < 2 || names.size() > kMostPhones || !names.front().empty() ||
      std::ranges::count(names, "") > 1)
    return Error{"a model of " + std::to_string(names.size()) + " phones, 2 to " +
                 std::to_string(kMostPhones) + " are read, of which the first alone is empty"};
  // All entries as they come; then again in their order, without those that were there.
  Lexicon read;
  for (const Source& source : sources) {
    std::string_view left = source.text;
    for (size_t number = 1; !left.empty(); ++number) {
      const std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(line.size() + 1, left.size()));
      const Result<std::optional<Entry>> entry = Read(names, line);
      if (!entry)
        return Error{source.name + ", line " + std::to_string(number) + ": " +
                     entry.error().message};
      if (*entry) read.Append((*entry)->first, (*entry)->second);
      if (read.size() > kMostEntries)
        return Error{source.name + ": more than " + std::to_string(kMostEntries) +
                     " pronunciations"};
    }
  }
  std::vector<uint32_t> order(read.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto key = [&](uint32_t entry) { return std::pair(read.Phones(entry), read.Word(entry)); };
  std::ranges::sort(order, {}, key);

  std::shared_ptr<Lexicon> lexicon(new Lexicon);
  for (size_t i = 0; i < order.size(); ++i)
    if (i == 0 || key(order[i]) != key(order[i - 1]))
      lexicon->Append(read.Phones(order[i]), read.Word(order[i]));
  lexicon->by_word_.resize(lexicon->size());
  std::iota(lexicon->by_word_.begin(), lexicon->by_word_.end(), 0u);
  std::ranges::sort(lexicon->by_word_, {},
                    [&](uint32_t entry) { return std::pair(lexicon->Word(entry), entry); });
  const auto mix = [&](const auto& part) {
    lexicon->fingerprint_ = Hash(std::as_bytes(std::span(part)), lexicon->fingerprint_);
  };
  mix(lexicon->phones_);
  mix(lexicon->phone_starts_);
  mix(lexicon->words_);
  mix(lexicon->word_starts_);
  std::ranges::for_each(names, mix);
  return std::shared_ptr<const Lexicon>(std::move(lexicon));
}

void Lexicon::Append(std::string_view phones, std::string_view word) {
  phone_starts_.push_back(static_cast<uint32_t>((phones_ += phones).size()));
  word_starts_.push_back(static_cast<uint32_t>((words_ += word).size()));
}

bool Lexicon::Knows(std::string_view word) const {
  const auto found =
      std::ranges::lower_bound(by_word_, word, {}, [this](uint32_t entry) { return Word(entry); });
  return found != by_word_.end() && Word(*found) == word;
}

PrefixRange Lexicon::Narrow(const PrefixRange& range, char phone) const {
  return rill::Narrow(range, static_cast<unsigned char>(phone), [this](uint32_t entry, uint32_t k) {
    const uint32_t at = phone_starts_[entry] + k;
    return at < phone_starts_[entry + 1] ? static_cast<unsigned char>(phones_[at]) : -1;
  });
}

PrefixRange Lexicon::Exact(const PrefixRange& range) const {
  PrefixRange exact = range;
  exact.last = exact.first;
  while (exact.last < range.last && Phones(exact.last).size() == range.letters) ++exact.last;
  return exact;
}

}  // namespace rill
