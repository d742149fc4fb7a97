#include "modalities/row_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace rill {
namespace {

using testing::HasSubstr;

// Every row as "stamp: value value", every error as "error: ...", and the columns first.
std::vector<std::string> Parse(const std::string& text, const RowOptions& options,
                               const std::vector<size_t>& pieces = {}) {
  Result<RowParser> parser = RowParser::Make(options);
  if (!parser) return {"error: " + parser.error().message};
  std::vector<std::string> got;
  const auto drain = [&] {
    for (int errors = 0; errors < 5;) {
      const Result<std::optional<Row>> row = parser->Pull();
      if (!row) {
        got.push_back("error: " + row.error().message);
        ++errors;
        continue;
      }
      if (!*row) break;
      std::ostringstream line;
      if (got.empty()) {
        for (const std::string& name : parser->columns()) line << name << "|";
        got.push_back(line.str());
        line.str("");
      }
      line << (*row)->unix_ns << ":";
      for (const double value : (*row)->values) line << " " << value;
      got.push_back(line.str());
    }
  };
  size_t at = 0;
  for (const size_t piece : pieces) {
    parser->Push(std::string_view(text).substr(at, piece));
    at += piece;
    drain();
  }
  parser->Push(std::string_view(text).substr(at));
  drain();
  parser->Finish();
  drain();
  if (const Result<void> outcome = parser->Outcome(); !outcome)
    got.push_back("outcome: " + outcome.error().message);
  got.push_back("bad: " + std::to_string(parser->stats().bad_rows) + " " +
                parser->stats().last_error);
  return got;
}

using Lines = std::vector<std::string>;
constexpr Interval kOneSecond{1, 1};

struct Sample {
  const char* name;
  std::string text;
  RowOptions options;
  Lines want;
};

std::vector<Sample> Samples() {
  RowOptions italian;
  italian.time_format = "%d/%m/%Y %H.%M.%S";
  italian.missing = {"-200"};
  RowOptions vitals;
  vitals.columns = {"HR", "Temp"};
  RowOptions both_hosts;
  both_hosts.columns = {"usage", "mem.used"};
  RowOptions each_second;
  each_second.interval = kOneSecond;
  RowOptions by_place;
  by_place.columns = {"2", "b"};
  by_place.time_columns = {"0"};
  return {
      {"Iso",
       "date,a,b\n1970-01-01 00:00:01,1.5,NA\n1970-01-01 00:00:02,-2,3\n",
       {},
       {"a|b|", "1000000000: 1.5 nan", "2000000000: -2 3", "bad: 0 "}},
      {"BomCrlfQuotes",
       "\xEF\xBB\xBF\"time\",\"a,b\",\"\"\"x\"\"\"\r\n1,\"2\",3\r\n\r\n2,4,5",
       {},
       {"a,b|\"x\"|", "1000000000: 2 3", "2000000000: 4 5", "bad: 0 "}},
      {"Italian",
       " ;Time;CO(GT);T;;\r\n02/01/1970;00.00.00;2,6;-200;;\r\n02/01/1970;01.00.00;2;13,3;;\r\n"
       ";;;;;\r\n",
       italian,
       {"CO(GT)|T|", "86400000000000: 2.6 nan", "90000000000000: 2 13.3", "bad: 0 "}},
      {"Beijing",
       "\"No\",\"year\",\"month\",\"day\",\"hour\",\"PM2.5\",\"wd\"\n1,1970,1,1,0,4,\"NNW\"\n"
       "2,1970,1,1,1,NA,\"N\"\n",
       {},
       {"PM2.5|", "0: 4", "3600000000000: nan", "bad: 0 "}},
      {"LongForm",
       "Time,Parameter,Value\n00:00,Age,54\n00:07,HR,73\n00:07,Temp,35\n00:37,HR,77\n00:37,X,1\n"
       "01:00,X,2\n46:37,Temp,36\n46:37,Temp,36.5\n",
       vitals,
       {"HR|Temp|", "420000000000: 73 35", "2220000000000: 77 nan", "167820000000000: nan 36.5",
        "bad: 0 "}},
      {"Ndjson",
       "{\"ts\":1,\"a\":2,\"b\":{\"c\":true}}\n{\"ts\":2.5,\"b\":{\"c\":null},\"z\":1}\n"
       "{\"a\":\"7\",\"ts\":3}\n",
       {},
       {"a|b.c|", "1000000000: 2 1", "2500000000: nan nan", "3000000000: 7 nan", "bad: 0 "}},
      {"Influx",
       "# comment\ncpu,host=a usage=1,n=2i 10\ncpu,host=a n=3i 20\nmem used=1 30\n",
       {},
       {"usage|n|", "10: 1 2", "20: nan 3",
        "bad: 1 line 4: series \"mem\" is not the first, \"cpu,host=a\": name the channels of both "
        "with columns="}},
      {"InfluxMerged",
       "cpu,host=a usage=1 10\nmem used=5 10\ncpu,host=a usage=2 20\ndisk x=1 30\n",
       both_hosts,
       {"usage|mem.used|", "10: 1 5", "20: 2 nan", "bad: 0 "}},
      {"Numbers",
       "-0.5\n\n1\nx\n2",
       each_second,
       {"value|", "0: -0.5", "1000000000: 1", "3000000000: 2",
        "bad: 1 line 4: column \"value\": \"x\" is not a number"}},
      {"NoHeader",
       "1970-01-01T00:00:01Z,1,2\n1970-01-01T00:00:02Z,3,4\n",
       {},
       {"1|2|", "1000000000: 1 2", "2000000000: 3 4", "bad: 0 "}},
      {"ByPlace", "t,b,c\n1,2,3\n", by_place, {"c|b|", "1000000000: 3 2", "bad: 0 "}},
      {"EqualStampsAndRepeatedHeader",
       "time,a\n1,1\n1,2\ntime,a\n2,3\n",
       {},
       {"a|", "1000000000: 1", "1000000000: 2", "2000000000: 3", "bad: 0 "}},
      {"Blanks", "time  a   b\n1  2.5  3\n", {}, {"a|b|", "1000000000: 2.5 3", "bad: 0 "}},
  };
}

class RowParserSample : public testing::TestWithParam<Sample> {};

TEST_P(RowParserSample, GivesTheseRows) {
  EXPECT_EQ(Parse(GetParam().text, GetParam().options), GetParam().want);
}

// The rule of exactness: the same rows whatever the pieces.
TEST_P(RowParserSample, GivesTheSameRowsHoweverTheBytesAreCut) {
  const std::string& text = GetParam().text;
  std::mt19937 random(7);
  for (size_t round = 0; round < 60; ++round) {
    std::vector<size_t> pieces;
    const size_t most = round < 3 ? round : 40;
    for (size_t at = 0; at < text.size();) {
      const size_t piece = std::min(text.size() - at, most < 3 ? most + 1 : random() % (most + 1));
      pieces.push_back(piece);
      at += piece;
    }
    ASSERT_EQ(Parse(text, GetParam().options, pieces), GetParam().want) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, RowParserSample, testing::ValuesIn(Samples()),
                         [](const auto& info) { return std::string(info.param.name); });

std::string FirstError(const std::string& text, RowOptions options = {}) {
  options.on_bad_row = BadRow::kError;
  for (const std::string& line : Parse(text, options))
    if (line.starts_with("error: ") || line.starts_with("outcome: ")) return line;
  return "";
}

TEST(RowParser, NamesLineColumnAndValueOfABadRow) {
  const std::string head = "time,a,b\n1,1,1\n";
  EXPECT_EQ(FirstError(head + "2,x,1\n"), "error: line 3: column \"a\": \"x\" is not a number");
  EXPECT_EQ(FirstError(head + "2,1,inf\n"), "error: line 3: column \"b\": \"inf\" is infinite");
  EXPECT_EQ(FirstError(head + "2,1,1e999\n"),
            "error: line 3: column \"b\": \"1e999\" does not fit in a float64");
  EXPECT_EQ(FirstError(head + "0.5,1,1\n"), "error: line 3: time goes back by 0.5 s");
  EXPECT_EQ(FirstError(head + "2,1\n"), "error: line 3: 2 cells where there are 3 columns");
  EXPECT_EQ(FirstError(head + "2,1,1,1\n"), "error: line 3: 4 cells where there are 3 columns");
  EXPECT_EQ(FirstError(head + ",1,1\n"), "error: line 3: the time is missing");
  EXPECT_EQ(FirstError(head + "noon,1,1\n"),
            "error: line 3: time \"noon\" is not of the format unix");
  EXPECT_EQ(FirstError(head + "\"2,1,1\n"),
            "error: line 3: the quote that opens column 0 is not closed on this line");
}

TEST(RowParser, RefusesAStampFromTheFarFutureButNotAPause) {
  RowOptions options;
  options.longest_gap_ns = 10'000'000'000;
  EXPECT_EQ(Parse("time,a\n1,1\n9999999,2\n3,3\n", options),
            (Lines{"a|", "1000000000: 1", "3000000000: 3",
                   "bad: 1 line 3: time jumps by 9999998 s, the longest gap is 10 s"}));
  EXPECT_EQ(Parse("time,a\n1,1\n500,2\n501,3\n502,4\n", options),  // of a pause, one row is lost
            (Lines{"a|", "1000000000: 1", "501000000000: 3", "502000000000: 4",
                   "bad: 1 line 3: time jumps by 499 s, the longest gap is 10 s"}));
  EXPECT_EQ(Parse("time,a\n1,1\n500,2\n900,3\n2,4\n", options),
            (Lines{"a|", "1000000000: 1", "2000000000: 4",
                   "bad: 2 line 4: time jumps by 899 s, the longest gap is 10 s"}));
}

TEST(RowParser, LinesOfOneInstantDoNotConfirmEachOther) {
  RowOptions options;
  options.longest_gap_ns = 10'000'000'000;
  options.columns = {"a", "b"};
  EXPECT_EQ(Parse("time,parameter,value\n1,a,1\n1,b,2\n9999999,a,3\n9999999,b,4\n2,a,5\n2,b,6\n",
                  options),
            (Lines{"a|b|", "1000000000: 1 2", "2000000000: 5 6",
                   "bad: 2 line 5: time jumps by 9999998 s, the longest gap is 10 s"}));
}

TEST(RowParser, SkipsWhatStandsBeforeTheHeader) {
  RowOptions options;
  options.skip_lines = 2;
  EXPECT_EQ(Parse("Plant 7\n\ntime,a\n1,1\n2,x\n", options),
            (Lines{"a|", "1000000000: 1", "bad: 1 line 5: column \"a\": \"x\" is not a number"}));
}

TEST(RowParser, SkipsBadRowsAndCountsThem) {
  EXPECT_EQ(Parse("time,a\n1,1\n2,x\n3,3\nbroken\n4,4\n", {}),
            (Lines{"a|", "1000000000: 1", "3000000000: 3", "4000000000: 4",
                   "bad: 2 line 5: 1 cells where there are 2 columns"}));
}

TEST(RowParser, GoesOnAfterAnErrorThatIsAboutOneRow) {
  RowOptions options;
  options.on_bad_row = BadRow::kError;
  EXPECT_EQ(Parse("time,a\n1,1\n2,x\n3,3\n", options),
            (Lines{"a|", "1000000000: 1", "error: line 3: column \"a\": \"x\" is not a number",
                   "3000000000: 3", "bad: 1 line 3: column \"a\": \"x\" is not a number"}));
}

TEST(RowParser, SaysWhatIsWrongWithTheWholeInput) {
  EXPECT_EQ(FirstError(""), "outcome: the input is empty");
  EXPECT_EQ(FirstError("\n\n"), "outcome: the input holds no line of data");
  EXPECT_EQ(FirstError("a,b\n1,2\n"),
            "error: line 2: no time column among a, b: name one with time-column (rill: --time) or "
            "give an interval");
  EXPECT_EQ(
      FirstError("date,a\n10/03/2004,2\n"),
      "error: line 2: \"10/03/2004\" may be %d/%m/%Y or %m/%d/%Y: say which with time-format=");
  EXPECT_EQ(FirstError("time,a\n1,x\n"),
            "error: line 2: no column holds a number in the first line of data: time, a");
  EXPECT_EQ(FirstError(std::string("t\0i\0m\0e\0", 8)),
            "error: line 1: a zero byte: the input is binary or UTF-16, not text");
  EXPECT_EQ(
      FirstError("Time,Parameter,Value\n00:00,Age,54\n"),
      "error: line 2: one value a line, named by column \"Parameter\": name the channels with "
      "columns=");
  RowOptions options;
  options.columns = {"q"};
  EXPECT_EQ(FirstError("time,a\n1,2\n", options),
            "error: line 2: no column \"q\" among the 2: time, a");
  options.columns = {"a"};
  EXPECT_EQ(FirstError("time,a,a\n1,2,3\n", options),
            "error: line 2: column \"a\" is there more than once: give its place, from 0");
  EXPECT_THAT(FirstError(std::string(70'000, ',') + "\n"), HasSubstr("more than 65536 columns"));
  EXPECT_EQ(FirstError("time," + std::string(2000, 'n') + "\n1,2\n"),
            "error: line 1: column 1 has a name of 2000 bytes, 1024 are allowed");
}

TEST(RowParser, RefusesOptionsThatMakeNoSense) {
  const auto refusal = [](auto set) {
    RowOptions options;
    set(options);
    const Result<RowParser> parser = RowParser::Make(options);
    return parser ? "" : parser.error().message;
  };
  EXPECT_EQ(refusal([](RowOptions& o) { o.decimal = 'x'; }), "decimal \"x\" is neither . nor ,");
  EXPECT_EQ(refusal([](RowOptions& o) { o.decimal = o.delimiter = ','; }),
            "delimiter and decimal are both \",\"");
  EXPECT_THAT(refusal([](RowOptions& o) { o.time_format = "%Q"; }), HasSubstr("holds %Q"));
  EXPECT_THAT(refusal([](RowOptions& o) { o.timezone = "nowhere"; }), HasSubstr("nowhere"));
  EXPECT_EQ(refusal([](RowOptions& o) { o.interval = {1, 0}; }), "interval 1/0 s is not a time");
}

TEST(RowParser, KeepsIntervalsExactForYears) {
  RowOptions options;
  options.interval = {1, 360};
  std::string text;
  for (int i = 0; i <= 3600; ++i) text += "1\n";
  const Lines got = Parse(text, options);
  EXPECT_EQ(got[2], "2777777: 1");
  EXPECT_EQ(got[3601], "10000000000: 1");
}

TEST(RowParser, StampsByArrivalWhereLinesCarryNoTime) {
  Result<RowParser> parser = RowParser::Make({});
  ASSERT_TRUE(parser);
  parser->Push("a,b\n1,2\n3", 500);
  EXPECT_EQ((**parser->Pull()).unix_ns, 500);
  EXPECT_FALSE(*parser->Pull());
  parser->Push(",4\n", 700);
  EXPECT_EQ((**parser->Pull()).unix_ns, 700);
}

TEST(RowParser, BreakDropsTheLineBegunAndForgivesATail) {
  RowOptions options;
  options.on_bad_row = BadRow::kError;
  Result<RowParser> parser = RowParser::Make(options);
  ASSERT_TRUE(parser);
  parser->Push("time,a\n1,1\n2,2");
  EXPECT_EQ((**parser->Pull()).unix_ns, 1'000'000'000);
  EXPECT_FALSE(*parser->Pull());
  parser->Break();
  parser->Push("5\n3,3\n4,x\n");
  EXPECT_EQ((**parser->Pull()).unix_ns, 3'000'000'000);
  EXPECT_EQ(parser->stats().bad_rows, 1u);
  EXPECT_FALSE(parser->Pull());
}

TEST(RowParser, FlushLetsTimeStartAnewAndResetForgetsTheHeader) {
  Result<RowParser> parser = RowParser::Make({});
  ASSERT_TRUE(parser);
  parser->Push("time,a\n9,1\n");
  EXPECT_TRUE(*parser->Pull());
  EXPECT_FALSE(*parser->Pull());
  parser->Flush();
  parser->Push("2,1\n");
  EXPECT_EQ((**parser->Pull()).unix_ns, 2'000'000'000);
  parser->Reset();
  EXPECT_EQ(parser->stats().rows, 0u);
  parser->Push("b,ts\n5,1\n");
  EXPECT_EQ((**parser->Pull()).unix_ns, 1'000'000'000);
  EXPECT_EQ(parser->columns(), (Lines{"b"}));
}

TEST(RowParser, ACopyGoesOnByItself) {
  Result<RowParser> parser = RowParser::Make({});
  ASSERT_TRUE(parser);
  parser->Push("time,a\n1,1\n2,");
  EXPECT_TRUE(*parser->Pull());
  EXPECT_FALSE(*parser->Pull());
  RowParser copy = *parser;
  parser->Push("5\n");
  copy.Push("6\n");
  EXPECT_EQ((**parser->Pull()).values[0], 5.0);
  EXPECT_EQ((**copy.Pull()).values[0], 6.0);
}

TEST(RowOptions, ReadsListsAndSeparators) {
  EXPECT_EQ(*ParseNames("A, \"b,c\" ,d"), (Lines{"A", "b,c", "d"}));
  EXPECT_EQ(*ParseNames(" "), Lines());
  EXPECT_FALSE(ParseNames("\"a"));
  EXPECT_EQ(*ParseSeparator("tab"), '\t');
  EXPECT_EQ(*ParseSeparator(""), '\0');
  EXPECT_EQ(*ParseSeparator(";"), ';');
  EXPECT_FALSE(ParseSeparator(";;"));
}

}  // namespace
}  // namespace rill
