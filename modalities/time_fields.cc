#include "modalities/time_fields.h"

#include <chrono>
#include <string>

#include "modalities/cell_text.h"
#include "modalities/time_zone.h"

namespace rill {
namespace {

constexpr std::string_view kMonths[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
constexpr std::string_view kDays[] = {"monday", "tuesday",  "wednesday", "thursday",
                                      "friday", "saturday", "sunday"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Reads a text from left to right; every member says whether it found what it looks for.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool AtEnd() const { return text_.empty(); }
  char Next() const { return text_.empty() ? '\0' : text_[0]; }
  bool Skip(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool SkipAnyOf(std::string_view set) {
    return !text_.empty() && set.find(text_[0]) != set.npos && Skip(text_[0]);
  }
  void SkipBlanks() {
    while (!text_.empty() && IsBlank(text_[0])) text_.remove_prefix(1);
  }
  bool Digits(size_t least, size_t most, int64_t& value) {
    size_t n = 0;
    int64_t read = 0;
    for (; n < most && n < text_.size() && IsDigit(text_[n]); ++n)
      read = read * 10 + (text_[n] - '0');
    if (n < least) return false;
    text_.remove_prefix(n);
    value = read;
    return true;
  }
  bool InRange(size_t most_digits, int64_t low, int64_t high, int64_t& value) {
    return Digits(1, most_digits, value) && value >= low && value <= high;
  }
  // Decimals of a second; those beyond the nanosecond are dropped.
  bool Decimals(int64_t& ns) {
    if (!IsDigit(Next())) return false;
    ns = 0;
    for (int64_t place = 100'000'000; IsDigit(Next()); place /= 10, text_.remove_prefix(1))
      ns += (text_[0] - '0') * place;
    return true;
  }
  // A point or comma and decimals, if they come next.
  void OptionalDecimals(int64_t& ns) {
    if (text_.size() > 1 && (text_[0] == '.' || text_[0] == ',') && IsDigit(text_[1])) {
      text_.remove_prefix(1);
      Decimals(ns);
    }
  }
  // One of the names, whole or its first three letters; `place` counts from 1.
  template <size_t N>
  bool Name(const std::string_view (&names)[N], int64_t& place) {
    for (size_t i = 0; i < N; ++i)
      for (const size_t length : {names[i].size(), size_t{3}})
        if (EqualsIgnoringCase(text_.substr(0, length), names[i].substr(0, length))) {
          text_.remove_prefix(length);
          place = static_cast<int64_t>(i) + 1;
          return true;
        }
    return false;
  }
  bool ZoneOffset(std::optional<int64_t>& offset_s) {
    for (const std::string_view word : {"UTC", "GMT"})
      if (EqualsIgnoringCase(text_.substr(0, word.size()), word)) {
        text_.remove_prefix(word.size());
        offset_s = 0;
        return true;
      }
    const Offset offset = ReadOffset(text_);
    text_.remove_prefix(offset.length);
    if (offset.length != 0) offset_s = offset.seconds;
    return offset.length != 0;
  }

 private:
  std::string_view text_;
};

bool IsReal(const TimeFields& fields) {
  using std::chrono::year_month_day, std::chrono::year, std::chrono::month, std::chrono::day;
  const year_month_day date(year(static_cast<int>(fields.year)),
                            month(static_cast<unsigned>(fields.month)),
                            day(static_cast<unsigned>(fields.day)));
  if (!date.ok()) return false;
  if (fields.day_of_year == 366 && !date.year().is_leap()) return false;
  if (!fields.has_date) return true;
  return fields.hour < 24 ||
         (fields.hour == 24 && fields.minute == 0 && fields.second == 0 && fields.ns == 0);
}

// What %I and %p say of the hour.
struct HalfDay {
  bool twelve_hours = false;
  std::optional<bool> afternoon;
};

bool ReadDirective(char directive, Scanner& in, TimeFields& t, HalfDay& half) {
  switch (directive) {
    case 'Y': return t.has_date = true, in.Digits(1, 4, t.year);
    case 'y':
      t.has_date = true;
      if (!in.Digits(2, 2, t.year)) return false;
      t.year += t.year < 69 ? 2000 : 1900;  // as POSIX does
      return true;
    case 'm': return t.has_date = true, in.InRange(2, 1, 12, t.month);
    case 'd': return t.has_date = true, in.InRange(2, 1, 31, t.day);
    case 'j': return t.has_date = true, in.InRange(3, 1, 366, t.day_of_year);
    case 'b': return t.has_date = true, in.Name(kMonths, t.month);
    case 'H': return t.has_time = true, in.InRange(t.has_date ? 2 : 6, 0, 999'999, t.hour);
    case 'I': return half.twelve_hours = t.has_time = true, in.InRange(2, 1, 12, t.hour);
    case 'M': return t.has_time = true, in.InRange(2, 0, 59, t.minute);
    case 'S':
      if (!in.InRange(2, 0, 60, t.second)) return false;
      in.OptionalDecimals(t.ns);
      return t.has_time = true;
    case 'f': return in.Decimals(t.ns);
    case 'p':
      half.afternoon = in.Next() == 'p' || in.Next() == 'P';
      return in.SkipAnyOf("aApP") && in.SkipAnyOf("mM");
    case 'a': {
      int64_t day_of_week = 0;
      return in.Name(kDays, day_of_week);
    }
    case 'z': return in.ZoneOffset(t.offset_s);
    case '%': return in.Skip('%');
    default: return false;
  }
}

constexpr std::string_view kDirectives = "YymdjbHIMSfpaz%";

// %F and its like, spelt out; and the letters that mean the same.
std::string_view Spelt(char directive) {
  switch (directive) {
    case 'F': return "%Y-%m-%d";
    case 'T': return "%H:%M:%S";
    case 'R': return "%H:%M";
    case 'D': return "%m/%d/%y";
    case 'e': return "%d";
    case 'B':
    case 'h': return "%b";
    case 'A': return "%a";
    default: return {};
  }
}

bool ReadPattern(std::string_view pattern, Scanner& in, TimeFields& t, HalfDay& half) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (IsBlank(pattern[i])) {
      in.SkipBlanks();
    } else if (pattern[i] != '%' || i + 1 == pattern.size()) {
      if (!in.Skip(pattern[i])) return false;
    } else {
      const char directive = pattern[++i];
      const std::string_view spelt = Spelt(directive);
      if (spelt.empty() ? !ReadDirective(directive, in, t, half) : !ReadPattern(spelt, in, t, half))
        return false;
    }
  }
  return true;
}

}  // namespace

std::optional<TimeFields> ParsePattern(std::string_view text, std::string_view pattern) {
  TimeFields t;
  HalfDay half;
  Scanner in(text);
  if (!ReadPattern(pattern, in, t, half) || !in.AtEnd()) return std::nullopt;
  if (half.twelve_hours || half.afternoon) {
    if (t.hour < 1 || t.hour > 12) return std::nullopt;
    t.hour = t.hour % 12 + (half.afternoon.value_or(false) ? 12 : 0);
  }
  if (!IsReal(t)) return std::nullopt;
  return t;
}

std::optional<TimeFields> ParseIso(std::string_view text) {
  TimeFields t;
  t.has_date = true;
  Scanner in(text);
  if (!in.Digits(4, 4, t.year)) return std::nullopt;
  const char separator = in.Next();
  if (IsDigit(separator)) {  // the basic format
    if (!in.Digits(2, 2, t.month) || !in.Digits(2, 2, t.day)) return std::nullopt;
  } else if (!in.SkipAnyOf("-/.") || !in.Digits(1, 2, t.month) || !in.Skip(separator) ||
             !in.Digits(1, 2, t.day)) {
    return std::nullopt;
  }
  if (!in.AtEnd()) {
    if (!in.SkipAnyOf("Tt _")) return std::nullopt;
    in.SkipBlanks();
    t.has_time = true;
    if (!in.Digits(1, 2, t.hour)) return std::nullopt;
    const bool colons = in.Next() == ':';
    if (colons ? in.Skip(':') : IsDigit(in.Next())) {
      if (!in.Digits(2, 2, t.minute) || t.minute > 59) return std::nullopt;
      if (colons ? in.Skip(':') : IsDigit(in.Next())) {
        if (!in.Digits(2, 2, t.second) || t.second > 60) return std::nullopt;
        in.OptionalDecimals(t.ns);
      }
    }
    in.SkipBlanks();
    if (!in.AtEnd() && (!in.ZoneOffset(t.offset_s) || !in.AtEnd())) return std::nullopt;
  }
  if (!IsReal(t)) return std::nullopt;
  return t;
}

char UnknownDirective(std::string_view pattern) {
  for (size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] != '%') continue;
    ++i;
    if (kDirectives.find(pattern[i]) == kDirectives.npos && Spelt(pattern[i]).empty())
      return pattern[i];
  }
  return '\0';
}

int64_t LocalSeconds(const TimeFields& fields) {
  using std::chrono::year_month_day, std::chrono::year, std::chrono::month, std::chrono::day;
  const bool by_month = fields.day_of_year == 0;
  const std::chrono::sys_days date =
      year_month_day(year(static_cast<int>(fields.year)),
                     month(by_month ? static_cast<unsigned>(fields.month) : 1),
                     day(by_month ? static_cast<unsigned>(fields.day) : 1));
  const int64_t days = date.time_since_epoch().count() + (by_month ? 0 : fields.day_of_year - 1);
  return days * 86'400 + fields.hour * 3600 + fields.minute * 60 + fields.second;
}

}  // namespace rill
