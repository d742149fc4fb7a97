#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "modalities/cell_text.h"
#include "modalities/record.h"

namespace rill {
namespace {

constexpr size_t kDeepest = 16;  // levels of objects and lists
constexpr std::string_view kTrue = "1";
constexpr std::string_view kFalse = "0";

// Gathers the leaves of one object. Names and texts are kept as places in the scratch, which grows.
class LeafReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit LeafReader(Record& record) : record_(record) {}

  bool null() override { return Leaf({}); }
  bool boolean(bool value) override { return Leaf(value ? kTrue : kFalse); }
  bool number_integer(int64_t value) override { return Number(value); }
  bool number_unsigned(uint64_t value) override { return Number(value); }
  bool number_float(double, const std::string& text) override {
    std::string pointed = text;  // the lexer writes the decimal point of the locale
    for (char& c : pointed)
      if (c == ',') c = '.';
    return Leaf(pointed);
  }
  bool string(std::string& text) override { return Leaf(text); }
  bool binary(binary_t&) override { return Refuse("binary value"); }
  bool start_object(size_t) override { return Open(false); }
  bool start_array(size_t) override { return Open(true); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(std::string& name) override {
    path_.resize(levels_.back().prefix);
    return Extend(name);
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Refuse("broken json at byte " + std::to_string(position));
  }

  const std::string& error() const { return error_; }
  void Finish() {
    const std::string_view text = record_.scratch;
    record_.cells.reserve(leaves_.size());
    for (const Place& leaf : leaves_)
      record_.cells.push_back({text.substr(leaf.begin, leaf.name_bytes),
                               text.substr(leaf.begin + leaf.name_bytes, leaf.text_bytes)});
  }

 private:
  struct Level {
    bool is_list;
    size_t index;   // of the next item of a list
    size_t prefix;  // bytes of path_ that name the object or list itself
  };
  struct Place {
    size_t begin, name_bytes, text_bytes;
  };

  bool Refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  bool Extend(std::string_view name) {
    if (path_.size() + name.size() + 1 > kLongestNameBytes)
      return Refuse("a key longer than " + std::to_string(kLongestNameBytes) + " bytes");
    if (!path_.empty()) path_ += '.';
    path_ += name;
    return true;
  }
  // An item of a list is named by its place.
  bool NameItem() {
    if (levels_.empty() || !levels_.back().is_list) return true;
    path_.resize(levels_.back().prefix);
    return Extend(std::to_string(levels_.back().index++));
  }
  bool Open(bool is_list) {
    if (levels_.empty() && is_list) return Refuse("a list where an object is needed");
    if (levels_.size() == kDeepest)
      return Refuse("objects nested deeper than " + std::to_string(kDeepest) + " levels");
    if (!NameItem()) return false;
    levels_.push_back({is_list, 0, path_.size()});
    return true;
  }
  bool Close() {
    levels_.pop_back();
    return true;
  }
  template <typename T>
  bool Number(T value) {
    char text[24];
    const char* const end = std::to_chars(text, text + sizeof text, value).ptr;
    return Leaf({text, static_cast<size_t>(end - text)});
  }
  bool Leaf(std::string_view text) {
    if (levels_.empty()) return Refuse("a bare value where an object is needed");
    if (leaves_.size() == kMostColumns)
      return Refuse("more than " + std::to_string(kMostColumns) + " values");
    if (!NameItem()) return false;
    leaves_.push_back({record_.scratch.size(), path_.size(), text.size()});
    record_.scratch += path_;
    record_.scratch += text;
    return true;
  }

  Record& record_;
  std::string path_;
  std::vector<Level> levels_;
  std::vector<Place> leaves_;
  std::string error_;
};

}  // namespace

Result<void> SplitNdjson(std::string_view line, Record& record) {
  record.Clear();
  LeafReader reader(record);
  if (!nlohmann::json::sax_parse(line.begin(), line.end(), &reader)) return Error{reader.error()};
  reader.Finish();
  return {};
}

}  // namespace rill
