#include "pipeline/net_framing.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "pipeline/net_uri.h"

extern "C" int FuzzNetFraming(const uint8_t* data, size_t bytes);

namespace rill {
namespace {

TEST(LineFramer, JoinsLinesThatCameTogether) {
  LineFramer framer(10);
  framer.Push("a\nbb\nccc\ndddd\neee");
  EXPECT_EQ(framer.Pull(), "a\nbb\nccc\n");
  EXPECT_EQ(framer.Pull(), "dddd\n");
  EXPECT_EQ(framer.Pull(), std::nullopt);
  EXPECT_TRUE(framer.partial());
  EXPECT_EQ(framer.Finish(), "eee\n");
  EXPECT_EQ(framer.Finish(), std::nullopt);
}

TEST(LineFramer, SkipsLongLinesWhole) {
  LineFramer framer(4);
  framer.Push("abcd\nabcde\nx\nabcdefg");
  EXPECT_EQ(framer.Pull(), "abcd\n");
  EXPECT_EQ(framer.Pull(), "x\n");
  EXPECT_EQ(framer.Pull(), std::nullopt);
  EXPECT_EQ(framer.oversize(), 2u);
  framer.Push("more of it");
  EXPECT_EQ(framer.Pull(), std::nullopt);
  framer.Push("end\ny\n");
  EXPECT_EQ(framer.Pull(), "y\n");
  EXPECT_EQ(framer.oversize(), 2u);
}

TEST(LineFramer, AgreesWithThePlainSplitOfRandomBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<uint8_t> bytes(random() % 200);
    for (uint8_t& byte : bytes) byte = random() % 4 == 0 ? '\n' : static_cast<uint8_t>(random());
    FuzzNetFraming(bytes.data(), bytes.size());
  }
}

TEST(NetUri, ReadsWhatItWrites) {
  for (const std::string uri :
       {"lfmtcp://127.0.0.1:9000?mode=server", "lfmudp://[::1]:1?mode=client",
        "lfmws://0.0.0.0:65535/a/b?mode=server", "lfmws://sensor.example:80/?mode=client"}) {
    const Result<NetOptions> options = ParseNetUri(uri, {});
    ASSERT_TRUE(options) << uri;
    EXPECT_EQ(NetUri(*options), uri);
  }
}

TEST(NetUri, IsAnAddressToConnectToUnlessItSaysOtherwise) {
  NetOptions base;
  base.max_clients = 3;
  const Result<NetOptions> options = ParseNetUri("lfmws://localhost:7", base);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->mode, NetMode::kClient);
  EXPECT_EQ(options->path, "/");
  EXPECT_EQ(options->max_clients, 3u);
}

TEST(NetUri, RefusesWhatItDoesNotKnow) {
  for (const std::string uri :
       {"", "lfmtcp", "lfmtcp:", "http://x:1", "lfmtcp://", "lfmtcp://x",
        "lfmtcp://x:", "lfmtcp://x:65536", "lfmtcp://x:-1", "lfmtcp://x:1a", "lfmtcp://:1",
        "lfmtcp://[::1:1", "lfmtcp://[::1]x:1", "lfmtcp://x:1/path", "lfmtcp://me@x:1",
        "lfmtcp://x:1?mode=both", "lfmtcp://x:1?max-rate=2", "lfmws://x:1/#there"})
    EXPECT_FALSE(ParseNetUri(uri, {})) << uri;
}

}  // namespace
}  // namespace rill
