#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/fuzz/row_parser_fuzz.h"

namespace rill {
namespace {

const char* const kSeeds[] = {
    "time,a,b\n1,2,3\n2,\"3\",NA\n",
    "date;T;x\n01/02/2000 10:11:12;1,5;2\n02/02/2000;7;8\n",
    "{\"time\":1,\"a\":[1,{\"b\":null}],\"c\":\"x\"}\n{\"time\":2,\"a\":[3]}\n",
    "m,t=a\\ b a=1,b=2i,s=\"q \\\" w\" 10\nm,t=a\\ b a=2 20\n",
    "1\n2\n-3.5e2\n\n",
    "Time,Parameter,Value\n00:00,a,1\n00:01,1,2\n",
    "\xEF\xBB\xBFyear,month,day,a\r\n2000,1,2,3\r\n2000,1,3,4\r\n",
};

// The fuzz target on seeded mutations of samples, so that every build runs some of it.
TEST(RowParserFuzz, KeepsItsPromisesOnMutatedInput) {
  std::mt19937 random(11);
  constexpr std::string_view kBytes = ",;\"\n\r\t {}[]:=\\.-+0123456789eEinfaNA/T\0\xff\xEF#";
  size_t rows = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string input;
    for (int i = 0; i < 3; ++i) input += static_cast<char>(random());
    if (round % 2 == 0) input[1] &= 3;  // mostly plain options, so that rows come out
    input += kSeeds[random() % std::size(kSeeds)];
    for (unsigned edits = random() % 6; edits > 0; --edits) {
      const size_t at = 3 + random() % (input.size() - 3);
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 4) {
        case 0: input[at] = byte; break;
        case 1: input.insert(at, 1, byte); break;
        case 2: input.erase(at, 1 + random() % 3); break;
        default: input.insert(at, input.substr(3, random() % 40)); break;
      }
      if (input.size() < 5) break;
    }
    rows += FuzzRowParser(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  EXPECT_GT(rows, 4'000u);  // it does get past the first lines
}

}  // namespace
}  // namespace rill
