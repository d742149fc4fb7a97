#include "modalities/timestamp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rill {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNoon2016 = 1'467'374'400 * kSecond;  // 2016-07-01T12:00:00Z

TimeZone Zone(const std::string& name) {
  const Result<TimeZone> zone = TimeZone::Make(name);
  EXPECT_TRUE(zone) << zone.error().message;
  return *zone;
}

std::optional<int64_t> Read(const std::string& format, const std::string& text,
                            const std::string& zone = "") {
  const Result<TimeFormat> time = TimeFormat::Make(format, Zone(zone));
  EXPECT_TRUE(time) << time.error().message;
  return time->Parse(text);
}

std::string GuessOf(const std::string& text) {
  const Result<TimeFormat> time = TimeFormat::Guess(text, TimeZone());
  return time ? time->name() : "error: " + time.error().message;
}

TEST(Timestamp, ReadsIso8601) {
  for (const char* text :
       {"2016-07-01 12:00:00", "2016-07-01T12:00:00Z", "2016-07-01T14:00:00+02:00",
        "2016-07-01T08:30-0330", "2016/07/01 12:00", "2016.7.1 12", "20160701T120000Z",
        "2016-07-01 12:00:00 UTC", " 2016-07-01_12:00:00.000 ", "2016-07-01T17:00:00.0+05"})
    EXPECT_EQ(Read("iso8601", text), kNoon2016) << text;
  EXPECT_EQ(Read("iso8601", "2016-07-01"), kNoon2016 - 43200 * kSecond);
  EXPECT_EQ(Read("iso8601", "2016-07-01T12:00:00.123456789123Z"), kNoon2016 + 123456789);
  EXPECT_EQ(Read("iso8601", "2016-06-30T24:00"), kNoon2016 - 43200 * kSecond);
  EXPECT_EQ(Read("iso8601", "1969-12-31T23:59:59.5"), -kSecond / 2);
  EXPECT_EQ(Read("iso8601", "2016-07-01 12:00:00", "+02:00"), kNoon2016 - 7200 * kSecond);
  EXPECT_EQ(Read("iso8601", "2016-07-01 12:00:00Z", "+02:00"), kNoon2016);
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2016", "2016-13-01", "2016-02-30", "2015-02-29", "2016-07-01 25:00",
        "2016-07-01 12:60", "2016-07-01x", "2016-07-01 12:00:00 +", "2016-07/01", "9999-01-01",
        "0001-01-01", "2016-07-01 24:00:01", "2016-07-01 12:00:61", "2016-07-01T12:00:00+25:00"})
    EXPECT_EQ(Read("iso8601", text), std::nullopt) << text;
}

TEST(Timestamp, ReadsUnixExactly) {
  EXPECT_EQ(Read("unix", "1467374400"), kNoon2016);
  EXPECT_EQ(Read("unix", "1467374400.123456789"), kNoon2016 + 123456789);
  EXPECT_EQ(Read("unix", "-0.5"), -kSecond / 2);
  EXPECT_EQ(Read("unix", "1.4673744e9"), kNoon2016);
  EXPECT_EQ(Read("unix-ms", "1467374400000"), kNoon2016);
  EXPECT_EQ(Read("unix-us", "1467374400000001"), kNoon2016 + 1000);
  EXPECT_EQ(Read("unix-ns", "1467374400000000001"), kNoon2016 + 1);
  for (const char* text : {"1e30", "99999999999999", "12x", "", "nan", "inf", "1.2.3"})
    EXPECT_EQ(Read("unix", text), std::nullopt) << text;
}

TEST(Timestamp, ReadsPatterns) {
  EXPECT_EQ(Read("%d/%m/%Y %H.%M.%S", "01/07/2016 12.00.00"), kNoon2016);
  EXPECT_EQ(Read("%Y %m %d %H", "2016 7 1 12"), kNoon2016);
  EXPECT_EQ(Read("%d-%b-%y %I:%M %p", "01-JUL-16 12:00 pm"), kNoon2016);
  EXPECT_EQ(Read("%b %d, %Y %I:%M:%S %p", "July 1, 2016 12:00:00 AM"), kNoon2016 - 43200 * kSecond);
  EXPECT_EQ(Read("%a %F %T.%f", "Fri 2016-07-01 12:00:00.5"), std::nullopt);  // %S takes .5
  EXPECT_EQ(Read("%a %F %T", "Fri 2016-07-01 12:00:00,5"), kNoon2016 + kSecond / 2);
  EXPECT_EQ(Read("%Y%j", "2016183"), kNoon2016 - 43200 * kSecond);
  EXPECT_EQ(Read("%F %R %z", "2016-07-01 14:00 +0200"), kNoon2016);
  EXPECT_EQ(Read("%H:%M", "46:37"), (46 * 3600 + 37 * 60) * kSecond);
  EXPECT_EQ(Read("%Y", "2015"), 1'420'070'400 * kSecond);
  EXPECT_EQ(Read("%Y%j", "2015366"), std::nullopt);
  EXPECT_EQ(Read("%d/%m/%Y %H:%M", "01/07/2016 46:37"), std::nullopt);
  EXPECT_EQ(Read("%%%Y", "%2015"), 1'420'070'400 * kSecond);
}

TEST(Timestamp, GuessesTheFormatOfAnExample) {
  EXPECT_EQ(GuessOf("2016-07-01 00:00:00"), "iso8601");
  EXPECT_EQ(GuessOf("1467374400"), "unix");
  EXPECT_EQ(GuessOf("0.25"), "unix");
  EXPECT_EQ(GuessOf("1467374400000"), "unix-ms");
  EXPECT_EQ(GuessOf("1467374400000000"), "unix-us");
  EXPECT_EQ(GuessOf("1467374400000000000"), "unix-ns");
  EXPECT_EQ(GuessOf("2013 3 1 0"), "%Y %m %d %H");
  EXPECT_EQ(GuessOf("46:37"), "%H:%M");
  EXPECT_EQ(GuessOf("13/03/2004 18.00.00"), "%d/%m/%Y %H.%M.%S");
  EXPECT_EQ(GuessOf("03/13/2004 6:00 PM"), "%m/%d/%Y %I:%M %p");
  EXPECT_EQ(GuessOf("10.03.2004"), "%d.%m.%Y");
  EXPECT_EQ(
      GuessOf("10/03/2004 18.00.00"),
      "error: \"10/03/2004 18.00.00\" may be %d/%m/%Y %H.%M.%S or %m/%d/%Y %H.%M.%S: say which");
  EXPECT_EQ(GuessOf("abc"), "error: \"abc\" is no time of a known format: say how to read it");
}

TEST(Timestamp, RefusesAnUnknownFormat) {
  const Result<TimeFormat> letter = TimeFormat::Make("%Y %Q", TimeZone());
  ASSERT_FALSE(letter);
  EXPECT_THAT(letter.error().message, testing::HasSubstr("holds %Q"));
  EXPECT_FALSE(TimeFormat::Make("yesterday", TimeZone()));
}

TEST(Timestamp, KnowsPlacesWithSummerTime) {
  if (!TimeZone::Make("Europe/Rome")) GTEST_SKIP() << "no database of time zones is installed";
  const auto hour = [](const std::string& text) {
    const auto ns = Read("iso8601", text, "Europe/Rome");
    return ns ? *ns / kSecond / 3600 % 24 : -1;
  };
  EXPECT_EQ(hour("2004-01-10 12:00"), 11);
  EXPECT_EQ(hour("2004-07-10 12:00"), 10);
  EXPECT_EQ(hour("2004-03-28 01:59"), 0);
  EXPECT_EQ(hour("2004-03-28 02:30"), 1);  // left out
  EXPECT_EQ(hour("2004-03-28 03:00"), 1);
  EXPECT_EQ(hour("2004-10-31 01:59"), 23);
  EXPECT_EQ(hour("2004-10-31 02:30"), 0);  // the first of two
  EXPECT_EQ(hour("2004-10-31 03:00"), 2);
}

TEST(Timestamp, RefusesAnUnknownZone) {
  for (const char* name : {"Mars/Olympus", "../../etc/passwd", "/etc/passwd", "+99", "Europe", "é"})
    EXPECT_FALSE(TimeZone::Make(name)) << name;
}

}  // namespace
}  // namespace rill
