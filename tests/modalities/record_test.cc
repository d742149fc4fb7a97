#include "modalities/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "modalities/cell_text.h"

namespace rill {
namespace {

using testing::ElementsAre;

// "name=text" or "text" of every cell, or the error.
std::vector<std::string> Show(const Result<void>& split, const Record& record) {
  if (!split) return {"error: " + split.error().message};
  std::vector<std::string> cells;
  for (const Cell& cell : record.cells)
    cells.push_back((cell.name.empty() ? "" : std::string(cell.name) + "=") +
                    std::string(cell.text));
  return cells;
}
std::vector<std::string> Csv(std::string_view line, char delimiter = ',') {
  Record record;
  const Result<void> split = SplitCsv(line, delimiter, record);
  return Show(split, record);
}
std::vector<std::string> Ndjson(std::string_view line) {
  Record record;
  const Result<void> split = SplitNdjson(line, record);
  return Show(split, record);
}
std::vector<std::string> Influx(std::string_view line) {
  Record record;
  const Result<void> split = SplitInflux(line, record);
  return Show(split, record);
}

TEST(CsvRecord, SplitsQuotedAndPlainCells) {
  EXPECT_THAT(Csv("a, b ,,c"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(Csv("\"a,b\",\"say \"\"hi\"\"\" ,\"\",x"), ElementsAre("a,b", "say \"hi\"", "", "x"));
  EXPECT_THAT(Csv("1,5;2;", ';'), ElementsAre("1,5", "2", ""));
  EXPECT_THAT(Csv("1\t\t3", '\t'), ElementsAre("1", "", "3"));
  EXPECT_THAT(Csv("  1   2 \"3 4\"  5 ", ' '), ElementsAre("1", "2", "3 4", "5"));
  EXPECT_THAT(Csv("a,\"b"),
              ElementsAre("error: the quote that opens column 1 is not closed on this line"));
  EXPECT_THAT(Csv("\"a\"b,c"),
              ElementsAre("error: column 0 goes on with \"b\" after its closing quote"));
  EXPECT_THAT(Csv(std::string(70'000, ',')), ElementsAre("error: more than 65536 columns"));
}

TEST(CsvRecord, FindsTheDelimiter) {
  EXPECT_EQ(SniffDelimiter("a,b;c"), ';');
  EXPECT_EQ(SniffDelimiter("\"a;b\",c d"), ',');
  EXPECT_EQ(SniffDelimiter("a b\tc,d"), '\t');
  EXPECT_EQ(SniffDelimiter(" a b "), ' ');
  EXPECT_EQ(SniffDelimiter("a|b c"), '|');
  EXPECT_EQ(SniffDelimiter("a"), ',');
}

TEST(NdjsonRecord, FlattensObjectsAndLists) {
  EXPECT_THAT(Ndjson(R"({"t":1467374400000000001,"a":{"b":[1.5e3,true,null]},"s":"xé\n"})"),
              ElementsAre("t=1467374400000000001", "a.b.0=1.5e3", "a.b.1=1", "a.b.2=", "s=xé\n"));
  EXPECT_THAT(Ndjson("{}"), ElementsAre());
  EXPECT_THAT(Ndjson("[1]"), ElementsAre("error: a list where an object is needed"));
  EXPECT_THAT(Ndjson("3"), ElementsAre("error: a bare value where an object is needed"));
  EXPECT_THAT(Ndjson("{\"a\":1} x"),
              ElementsAre(testing::StartsWith("error: broken json at byte")));
  EXPECT_THAT(Ndjson("{\"a\":NaN}"), ElementsAre(testing::StartsWith("error: broken json")));
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "{\"a\":";
  EXPECT_THAT(Ndjson(deep), ElementsAre("error: objects nested deeper than 16 levels"));
  EXPECT_THAT(Ndjson("{\"" + std::string(2000, 'k') + "\":1}"),
              ElementsAre("error: a key longer than 1024 bytes"));
  std::string wide = "{\"a\":[0";
  for (int i = 0; i < 70'000; ++i) wide += ",0";
  EXPECT_THAT(Ndjson(wide + "]}"), ElementsAre("error: more than 65536 values"));
}

TEST(InfluxRecord, ReadsTypesEscapesAndTime) {
  EXPECT_THAT(Influx(R"(my\ m,host=a\,b f=1.5,i=-3i,u=4u,ok=T,no=false,s="x \"q\", y=1" 17)"),
              ElementsAre("f=1.5", "i=-3", "u=4", "ok=1", "no=0", "s=x \"q\", y=1", "time=17"));
  EXPECT_THAT(Influx(R"(m k\,e\=y=1)"), ElementsAre("k,e=y=1"));
  EXPECT_THAT(Influx("m"), ElementsAre("error: no measurement followed by fields"));
  EXPECT_THAT(Influx("m a"), ElementsAre("error: no key=value where a field should stand"));
  EXPECT_THAT(Influx("m a="), ElementsAre("error: a field has no value"));
  EXPECT_THAT(Influx("m a=x"), ElementsAre("error: \"x\" is not the value of a field"));
  EXPECT_THAT(Influx("m a=1 2.5"), ElementsAre("error: timestamp \"2.5\" is not a whole number"));
  EXPECT_THAT(Influx("m a=\"x"), ElementsAre("error: the text of a field is not closed"));
}

TEST(SniffFormat, GoesByTheFirstLine) {
  EXPECT_EQ(SniffFormat("{\"a\":1}", '\0'), RowFormat::kNdjson);
  EXPECT_EQ(SniffFormat("-0.245", '\0'), RowFormat::kNumbers);
  EXPECT_EQ(SniffFormat("-0,245", ','), RowFormat::kNumbers);
  EXPECT_EQ(SniffFormat("cpu,host=a usage=1 17", '\0'), RowFormat::kInflux);
  EXPECT_EQ(SniffFormat("date,HUFL", '\0'), RowFormat::kCsv);
  EXPECT_EQ(SniffFormat("# a comment", '\0'), RowFormat::kAuto);
}

TEST(NumberReader, ReadsInAnyLocaleAndKnowsMissing) {
  const auto read = [](std::string_view text, char decimal = '.') {
    double value = 0.0;
    const NumberReader reader(decimal, {"-200", "off"});
    const NumberKind kind = reader.Read(text, value);
    EXPECT_EQ(std::isnan(value), kind != NumberKind::kNumber);
    return kind == NumberKind::kNumber ? std::to_string(value) : std::string(Complaint(kind));
  };
  EXPECT_EQ(read(" +1.5 "), "1.500000");
  EXPECT_EQ(read("-12e3"), "-12000.000000");
  EXPECT_EQ(read("2,6", ','), "2.600000");
  EXPECT_EQ(read("2,6", '\0'), "2.600000");
  EXPECT_EQ(read("2.6", '\0'), "2.600000");
  for (const char* missing : {"", "NA", "nan", "NULL", "-", "?", "-200", "-200.0", "off"})
    EXPECT_EQ(read(missing), "is missing") << missing;
  EXPECT_EQ(read("-200,0", ','), "is missing");
  for (const char* text : {"2,6", "1.2.3", "abc", "0x10", "1 2", "+-1", "--1", "1e", "."})
    EXPECT_EQ(read(text), "is not a number") << text;
  EXPECT_EQ(read("1.234,5", '\0'), "is not a number");
  EXPECT_EQ(read("1.5", ','), "is not a number");
  EXPECT_EQ(read("inf"), "is infinite");
  EXPECT_EQ(read("-Infinity"), "is infinite");
  EXPECT_EQ(read("1e999"), "does not fit in a float64");
}

TEST(CellText, ShowsAndMendsText) {
  EXPECT_EQ(Excerpt("a\x01\xff"), "\"a??\"");
  EXPECT_EQ(ToUtf8("\xB0"
                   "C"),
            "°C");
  EXPECT_EQ(ToUtf8("°C\x02"), "°C?");
  EXPECT_EQ(ToUtf8("\xED\xA0\x80"), "í\xC2\xA0\xC2\x80");
}

}  // namespace
}  // namespace rill
