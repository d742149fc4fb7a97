// `rill classify` over files that GStreamer writes.
#include <gmock/gmock.h>

#include "tests/tools/rill_process.h"

namespace rill::testing {
namespace {

using ::testing::HasSubstr;

const std::string kPictures = "-m " RILL_SOURCE_DIR "/tests/goldens/image_model.gguf ";
const std::string kOmni = "-m " RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf ";

class Classify : public Rill {
 protected:
  // Runs a pipeline that writes the file of that name; its path.
  std::string Write(const std::string& name, const std::string& pipeline) const {
    std::string path = Path(name);
    EXPECT_EQ(
        std::system(("gst-launch-1.0 -q " + pipeline + " ! filesink location=" + path).c_str()), 0);
    return path;
  }
  std::string Picture(const std::string& name, const std::string& encoder,
                      const std::string& pattern = "smpte") const {
    return Write(name, "videotestsrc num-buffers=1 pattern=" + pattern +
                           " ! video/x-raw,width=40,height=30 ! " + encoder);
  }
};

TEST_F(Classify, NamesPictures) {
  const std::string png = Picture("a.png", "pngenc"), jpg = Picture("b.jpg", "jpegenc", "ball");
  const Outcome text = Run("classify " + kPictures + png + " " + jpg);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr(png + ": "));
  EXPECT_THAT(text.out, HasSubstr(jpg + ": "));
  EXPECT_THAT(text.out, HasSubstr(" %"));
  const Outcome lines = Run("classify --json --top 2 " + kPictures + png);
  ASSERT_EQ(lines.code, 0);
  const json line = json::parse(lines.out);
  EXPECT_EQ(line["file"], png);
  EXPECT_EQ(line["classes"].size(), 2u);
  EXPECT_EQ(line["classes"][line["label"].get<std::string>()], line["confidence"]);
  EXPECT_TRUE(line["index"].is_number_unsigned());
}

TEST_F(Classify, AVideoIsOneStream) {
  const std::string video =
      Write("v.avi",
            "videotestsrc num-buffers=9 pattern=snow ! "
            "video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc ! avimux");
  const Outcome frames = Run("classify --json --every-frame " + kPictures + video);
  ASSERT_EQ(frames.code, 0) << frames.err;
  std::istringstream lines(frames.out);
  std::string line;
  size_t count = 0;
  while (std::getline(lines, line))
    EXPECT_NEAR(json::parse(line)["seconds"].get<double>(), 0.1 * static_cast<double>(count++),
                1e-3);
  EXPECT_EQ(count, 9u);
  EXPECT_EQ(json::parse(Run("classify --json " + kPictures + video).out).count("seconds"), 0u);
  const Outcome events = Run("classify --json --events --on 0.2 --off 0.1 " + kPictures + video);
  ASSERT_EQ(events.code, 0);
  EXPECT_THAT(events.out, HasSubstr(R"("event":"begin")"));
  EXPECT_THAT(events.out, HasSubstr(R"("event":"end")"));
}

TEST_F(Classify, HearsSound) {
  const std::string wav = Write("s.wav",
                                "audiotestsrc num-buffers=20 ! audio/x-raw,rate=44100,channels=2 ! "
                                "wavenc");
  const Outcome sound = Run("classify --head sounds --as sound --json " + kOmni + wav);
  ASSERT_EQ(sound.code, 0) << sound.err;
  EXPECT_EQ(json::parse(sound.out)["classes"].size(), 3u);
  ExpectSentence(Run("classify " + kPictures + wav), wav + ": holds no picture");
  ExpectSentence(Run("classify --head sounds " + kOmni + "- < " + wav),
                 "standard input can be read once: say --as pictures or --as sound");
  // A model of both takes what the file has.
  EXPECT_EQ(Run("classify --head sounds --json " + kOmni + wav).out, sound.out);
}

TEST_F(Classify, AMicrophoneDoesNotHideACamera) {
  EXPECT_THAT(
      Run("classify --live --source 'v4l2src device=/dev/absent' --head sounds " + kOmni).err,
      HasSubstr("/dev/absent"));
}

TEST_F(Classify, OneBadFileDoesNotKeepTheOthersFromBeingRead) {
  const std::string png = Picture("a.png", "pngenc"), whole = Picture("whole.png", "pngenc");
  const std::string bytes = Slurp(whole);
  std::ofstream(Path("cut.png"), std::ios::binary) << bytes.substr(0, bytes.size() / 3);
  std::ofstream(Path("text.png")) << "no picture\n";
  std::ofstream(Path("empty.png")) << "";
  for (const std::string bad : {"cut.png", "text.png", "empty.png", "absent.png"}) {
    const Outcome outcome = Run("classify --json " + kPictures + Path(bad).append(" ").append(png));
    EXPECT_EQ(outcome.code, 1) << bad;
    EXPECT_THAT(outcome.err, HasSubstr(bad)) << bad;
    EXPECT_THAT(outcome.out, HasSubstr(png)) << bad;
    EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr(bad))) << bad;
    // A model that could hear does not take a bad picture for a sound.
    EXPECT_THAT(Run("classify --head sounds " + kOmni + Path(bad)).err,
                ::testing::Not(HasSubstr("holds no sound")))
        << bad;
  }
}

TEST_F(Classify, SaysHowItIsUsed) {
  EXPECT_EQ(Run("classify x.png").code, 2);  // no model
  EXPECT_THAT(Run("classify " + kPictures).err, HasSubstr("give files, or --live"));
  EXPECT_THAT(Run("classify --head nose " + kPictures + "x.png").err, HasSubstr("\"nose\""));
  EXPECT_EQ(Run("classify --events --every-frame " + kPictures + "x.png").code, 2);
  EXPECT_THAT(Run("classify --on 0.2 --off 0.5 " + kPictures + "x.png").err,
              HasSubstr("end <= begin"));
}

TEST_F(Classify, BenchCountsWhatIsRight) {
  // The model's own opinion of two pictures, then of each folder's name.
  const std::string png = Picture("a.png", "pngenc"), snow = Picture("b.png", "pngenc", "snow");
  const auto label = [&](const std::string& file) {
    return json::parse(Run("classify --json " + kPictures + file).out)["label"].get<std::string>();
  };
  std::string upper = label(png);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  std::filesystem::create_directories(Path("set/" + upper));
  std::filesystem::copy(png, Path("set/" + upper + "/1.png"));
  const Outcome right = Run("bench classify --json " + kPictures + Path("set"));
  ASSERT_EQ(right.code, 0) << right.err;
  EXPECT_EQ(json::parse(right.out)["accuracy"], 1.0);
  EXPECT_EQ(json::parse(right.out)["labels"][label(png)], 1.0);
  const json classes = json::parse(Run("classify --json " + kPictures + png).out)["classes"];
  std::string other = classes.begin().key();
  if (other == label(png)) other = std::next(classes.begin()).key();
  std::filesystem::create_directories(Path("set/" + other));
  std::filesystem::copy(png, Path("set/" + other + "/2.png"));
  EXPECT_EQ(json::parse(Run("bench classify --json " + kPictures + Path("set")).out)["accuracy"],
            0.5);
  EXPECT_THAT(Run("bench classify " + kPictures + snow).err, HasSubstr("is none of the"));
  EXPECT_THAT(Run("bench classify " + kPictures).err, HasSubstr("accuracy needs files"));
}

TEST_F(Classify, BenchMeasuresPictures) {
  const Outcome speed = Run("bench classify --task speed --seconds 0.1 --json " + kPictures);
  ASSERT_EQ(speed.code, 0) << speed.err;
  EXPECT_GT(json::parse(speed.out)["pictures_s"], 0.0);
  EXPECT_NE(Run("bench classify --task speed " + kOmni + "--head none").code, 0);
}

}  // namespace
}  // namespace rill::testing
