#include "modalities/timestamp.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "modalities/cell_text.h"
#include "modalities/time_fields.h"

namespace rill {
namespace {

constexpr std::string_view kIso = "iso8601";

struct Unit {
  std::string_view name;
  int64_t ns;
  double most;  // a number no larger is guessed to be of this unit: 5138 or 1973 years
};
constexpr Unit kUnits[] = {{"unix", 1'000'000'000, 1e11},
                           {"unix-ms", 1'000'000, 1e14},
                           {"unix-us", 1'000, 1e17},
                           {"unix-ns", 1, 1e300}};

// Digits with decimals, exactly; anything else a float64 can be written as, rounded.
std::optional<int64_t> ParseUnix(std::string_view text, int64_t unit_ns) {
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  const auto [after, failure] = std::from_chars(text.data(), end, whole);
  int64_t ns = 0;
  if (failure == std::errc() && (after == end || *after == '.')) {
    if (__builtin_mul_overflow(whole, unit_ns, &ns)) return std::nullopt;
    if (after == end) return ns;
    int64_t place_ns = unit_ns;
    int64_t decimals_ns = 0;
    const char* at = after + 1;
    for (; at != end && *at >= '0' && *at <= '9'; ++at) {
      place_ns /= 10;
      decimals_ns += (*at - '0') * place_ns;
    }
    if (at == end) {
      const bool negative = text[0] == '-';
      return __builtin_add_overflow(ns, negative ? -decimals_ns : decimals_ns, &ns)
                 ? std::nullopt
                 : std::optional(ns);
    }
  }
  double number = 0.0;
  const auto [last, bad] = std::from_chars(text.data(), end, number);
  number *= static_cast<double>(unit_ns);
  if (last != end || bad != std::errc() || !(std::abs(number) < 9.2e18)) return std::nullopt;
  return std::llround(number);
}

// A pattern that reads the example, and what it is.
struct Match {
  std::string name;
  StampShape shape;
};

constexpr std::string_view kDates[] = {"%d/%m/%Y",  "%m/%d/%Y",    "%d-%m-%Y",    "%m-%d-%Y",
                                       "%d.%m.%Y",  "%d %b %Y",    "%d-%b-%Y",    "%b %d %Y",
                                       "%b %d, %Y", "%a %b %d %Y", "%a, %d %b %Y"};
constexpr std::string_view kTimes[] = {"%H:%M:%S", "%H:%M",       "%H.%M.%S", "%I:%M:%S %p",
                                       "%I:%M %p", "%H:%M:%S %z", "%H:%M %z", "%H.%M"};
constexpr std::string_view kNumberDates[] = {"%Y %m %d %H %M %S", "%Y %m %d %H %M", "%Y %m %d %H",
                                             "%Y %m %d"};

// All formats an example fits; more than one where day and month cannot be told apart.
std::vector<Match> Matches(std::string_view example) {
  std::string_view text = Trim(example);
  const auto fits = [&](std::string_view pattern) {
    return ParsePattern(text, pattern).has_value();
  };
  double number = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && end == text.data() + text.size() && failure == std::errc() &&
      std::isfinite(number)) {
    for (const Unit& unit : kUnits)
      if (std::abs(number) < unit.most) return {{std::string(unit.name), StampShape::kNumber}};
    return {};
  }
  if (const auto fields = ParseIso(text))
    return {{std::string(kIso), fields->has_time ? StampShape::kDateAndTime : StampShape::kDate}};
  for (const std::string_view pattern : kNumberDates)
    if (text.find(' ') == 4 && fits(pattern))
      return {{std::string(pattern), StampShape::kDateAndTime}};
  std::vector<Match> matches;
  for (const std::string_view date : kDates) {
    if (fits(date)) matches.push_back({std::string(date), StampShape::kDate});
    for (const std::string_view time : kTimes) {
      const std::string both = std::string(date) + " " + std::string(time);
      if (!fits(both)) continue;
      matches.push_back({both, StampShape::kDateAndTime});
      break;
    }
  }
  if (!matches.empty()) return matches;
  for (const std::string_view time : kTimes)
    if (fits(time)) return {{std::string(time), StampShape::kTimeOfDay}};
  return {};
}

}  // namespace

Result<TimeFormat> TimeFormat::Make(std::string_view format, const TimeZone& zone) {
  TimeFormat made;
  made.zone_ = zone;
  made.name_ = format == "%s" ? "unix" : format;
  for (const Unit& unit : kUnits)
    if (made.name_ == unit.name) made.unit_ns_ = unit.ns;
  if (made.unit_ns_ != 0 || format == kIso) return made;
  if (const char bad = UnknownDirective(format); bad != '\0')
    return Error{"time format " + Excerpt(format) + " holds %" + bad +
                 ", which is none of %Y %y %m %d %j %b %H %I %M %S %f %p %a %z %F %T %R %D %e %%"};
  if (format.find('%') == std::string_view::npos)
    return Error{"time format " + Excerpt(format) +
                 " is neither iso8601, unix, unix-ms, unix-us, unix-ns nor a pattern with %"};
  return made;
}

Result<TimeFormat> TimeFormat::Guess(std::string_view example, const TimeZone& zone) {
  const std::vector<Match> matches = Matches(example);
  if (matches.empty())
    return Error{Excerpt(example) + " is no time of a known format: say how to read it"};
  if (matches.size() > 1)
    return Error{Excerpt(example) + " may be " + matches[0].name + " or " + matches[1].name +
                 ": say which"};
  return Make(matches[0].name, zone);
}

StampShape TimeFormat::ShapeOf(std::string_view text) {
  const std::vector<Match> matches = Matches(text);
  return matches.empty() ? StampShape::kNone : matches[0].shape;
}

std::optional<int64_t> TimeFormat::Parse(std::string_view cell) const {
  const std::string_view text = Trim(cell);
  if (unit_ns_ != 0) return ParseUnix(text, unit_ns_);
  const std::optional<TimeFields> fields =
      name_ == kIso ? ParseIso(text) : ParsePattern(text, name_);
  if (!fields) return std::nullopt;
  const int64_t local_s = LocalSeconds(*fields);
  const int64_t utc_s = fields->offset_s ? local_s - *fields->offset_s : zone_.ToUtc(local_s);
  int64_t ns = 0;
  if (__builtin_mul_overflow(utc_s, int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, fields->ns, &ns))
    return std::nullopt;
  return ns;
}

}  // namespace rill
