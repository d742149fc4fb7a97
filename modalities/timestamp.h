// Reads stamps of every common spelling as nanoseconds since 1970, in any locale.
//
// | format        | reads                                                                         |
// | iso8601       | 2016-07-01, 2016-07-01 13:05, 2016/07/01T13:05:09.25+02:00, 20160701T130509Z  |
// | unix          | seconds since 1970, with decimals; also unix-ms, unix-us, unix-ns             |
// | a pattern     | as for strptime: %Y %y %m %d %j %b %H %I %M %S %f %p %a %z %F %T %R %D %e %% |
//
// %S and %f: seconds with or without decimals, and decimals alone; %b and %a: English names. Blanks
// match any number of blanks. A pattern without a date counts from 1970-01-01, and its hours may
// be more than 23: "46:37" is 46 hours after the start of a recording. Years are 1678 to 2261.
//
// Source: ISO 8601-1:2019, sections 5.2 to 5.4; IEEE Std 1003.1-2017, strptime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "modalities/time_zone.h"
#include "operators/core/result.h"

namespace rill {

// How much of a stamp a text seems to be.
enum class StampShape { kNone, kNumber, kTimeOfDay, kDate, kDateAndTime };

class TimeFormat {
 public:
  // ISO 8601 in UTC.
  TimeFormat() = default;
  // `format` is one of the table, `zone` that of stamps without an offset.
  static Result<TimeFormat> Make(std::string_view format, const TimeZone& zone);
  // The format of an example. 10/03/2004 is refused: it may be a day in March or in October.
  static Result<TimeFormat> Guess(std::string_view example, const TimeZone& zone);
  // What Guess would take a text for; an ambiguous date is a date too.
  static StampShape ShapeOf(std::string_view text);

  // Nanoseconds since 1970-01-01T00:00:00Z, or nothing where the text is not of this format.
  std::optional<int64_t> Parse(std::string_view text) const;
  const std::string& name() const { return name_; }  // as Make takes it

 private:
  std::string name_ = "iso8601";
  int64_t unit_ns_ = 0;  // of unix stamps; 0: not one
  TimeZone zone_;
};

}  // namespace rill
