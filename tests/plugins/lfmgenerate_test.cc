// lfmtextenc ! lfmbackbone ! lfmgenerate over a tiny random model of Liquid AI's shape: what comes
// out is what a Generator gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "pipeline/files.h"
#include "pipeline/generator.h"
#include "pipeline/text_stage.h"
#include "tests/plugins/harness.h"
#include "tests/support/liquid_file.h"

namespace rill::testing {
namespace {

constexpr char kCaps[] = "text/x-raw,format=utf8";

// The file of a tiny model, for as long as the process lives.
const std::string& ModelFile() {
  static const struct File {
    File() { EXPECT_TRUE(WriteAtomically(path, LiquidFile(LiquidShape{}).Bytes())); }
    ~File() { std::filesystem::remove(path); }
    std::string path = (std::filesystem::temp_directory_path() /
                        ("rill-text-" + std::to_string(getpid()) + ".gguf"))
                           .string();
  } file;
  return file.path;
}

std::string Chain(const std::string& encoder, const std::string& head,
                  const std::string& common = "", const std::string& between = "") {
  const std::string model = " model-path=" + ModelFile() + " " + common + " ";
  return "lfmtextenc" + model + encoder + " ! " + between + "lfmbackbone" + model + " ! " +
         between + "lfmgenerate" + model + head;
}

Generator Open(const GeneratorOptions& options, const Model::Options& context = {}) {
  return *Generator::Open(*Model::Shared(ModelFile(), context), options);
}

// The answer to a prompt, of so many tokens at most.
std::string Answer(Generator& stream, const std::string& prompt, size_t tokens,
                   const PromptOptions& options = {}) {
  const auto ids = EncodePrompt(stream.model(), prompt, stream.last_token(), options);
  EXPECT_TRUE(stream.Push(*ids));
  std::string text;
  for (bool over = false; tokens > 0 && !over; --tokens) {
    const auto token = stream.Next();
    EXPECT_TRUE(token) << token.error().message;
    over = token->last;
    text += token->text;
  }
  return text + stream.Cut();
}

std::string PullText(Harness& harness) {
  std::string text;
  for (const Frame& frame : harness.PullAll()) text += frame.bytes;
  return text;
}

// So many bytes of text, all stamped `pts`; behind a queue they may still be on their way.
std::string WaitForText(Harness& harness, size_t bytes, GstClockTime pts) {
  std::string text;
  while (text.size() < bytes) {
    GstBuffer* buffer = gst_harness_pull(harness.get());
    EXPECT_NE(buffer, nullptr) << text;
    if (buffer == nullptr) break;
    EXPECT_EQ(GST_BUFFER_PTS(buffer), pts);
    std::string part(gst_buffer_get_size(buffer), '\0');
    gst_buffer_extract(buffer, 0, part.data(), part.size());
    gst_buffer_unref(buffer);
    text += part;
  }
  return text;
}

const std::string kSampling = " temperature=1 min-p=0.01 repetition-penalty=1.2 seed=7 ";
const GeneratorOptions kOptions = {
    .sampling = {.temperature = 1, .min_p = 0.01, .repetition_penalty = 1.2, .seed = 7}};

TEST(LfmGenerate, AnswersAsAGeneratorDoes) {
  for (const char* between : {"", "queue ! "}) {
    Generator stream = Open(kOptions);
    const PromptOptions prompts = {.system = "Be brief."};
    Harness harness(
        Chain("system=\"Be brief.\"", "threads=2 max-tokens=30" + kSampling, "", between));
    harness.Start("a", kCaps, GST_FORMAT_TIME);
    for (const std::string prompt : {"why is the sky blue?", "and in winter?", "x"}) {
      ASSERT_EQ(harness.Push(prompt + "\n", 5 * GST_SECOND), GST_FLOW_OK) << harness.BusError();
      const std::string want = Answer(stream, prompt, 30, prompts);
      EXPECT_EQ(WaitForText(harness, want.size(), 5 * GST_SECOND), want);
      EXPECT_GT(want.size(), 15u);
    }
    EXPECT_TRUE(harness.Eos());
  }
}

TEST(LfmGenerate, GoesOnFromRawText) {
  Generator stream = Open(kOptions);
  const std::string prompt(1500, 'q');  // more than one list of frames
  const std::string want = Answer(stream, prompt, 20, {.raw = true});
  Harness harness(Chain("raw=true", "output=answer newline=true max-tokens=20" + kSampling));
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push(prompt), GST_FLOW_OK);
  const auto frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].bytes, want + "\n");
  EXPECT_TRUE(frames[0].discont());
}

TEST(LfmGenerate, TellsWhyAnAnswerEnded) {
  Harness harness(Chain("", "max-tokens=5"));
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push("hello"), GST_FLOW_OK);
  EXPECT_THAT(harness.BusMessage("lfm-answer"),
              ::testing::AllOf(::testing::HasSubstr("tokens=(uint)5"),
                               ::testing::HasSubstr("finish=(string)length")));
  GstEvent* end = harness.PullEvent(GST_EVENT_CUSTOM_DOWNSTREAM);
  ASSERT_NE(end, nullptr);
  EXPECT_TRUE(gst_event_has_name(end, "rstranscribe/final-transcript"));
  gst_event_unref(end);

  // A stop string that the answer has.
  Generator stream = Open(kOptions);
  const std::string answer = Answer(stream, "hello", 60);
  gchar* middle = g_utf8_substring(answer.c_str(), 6, 8);
  const std::string stop = middle;
  g_free(middle);
  GeneratorOptions options = kOptions;
  options.stops = {stop, "never seen"};
  Generator stopped = Open(options);
  GstElement* head = nullptr;
  Harness other(Chain("", "max-tokens=60" + kSampling));
  head = other.Find("lfmgenerate");
  gst_element_set_state(other.element(), GST_STATE_READY);
  g_object_set(head, "stop", (stop + "\nnever seen").c_str(), nullptr);
  gst_element_set_state(other.element(), GST_STATE_PLAYING);
  other.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(other.Push("hello"), GST_FLOW_OK);
  EXPECT_EQ(PullText(other), Answer(stopped, "hello", 60));
  EXPECT_THAT(other.BusMessage("lfm-answer"), ::testing::HasSubstr("finish=(string)end"));
}

TEST(LfmGenerate, AFlushInterruptsAnAnswer) {
  for (const char* between : {"", "queue ! "}) {
    Harness harness(Chain("", "max-tokens=0", "window=16 sinks=2", between));
    harness.Start("a", kCaps, GST_FORMAT_TIME);
    GstFlowReturn flow = GST_FLOW_OK;
    std::thread pusher([&] { flow = harness.Push("tell me all"); });
    for (int i = 0; i < 50; ++i) gst_buffer_unref(gst_harness_pull(harness.get()));
    harness.PushEvent(gst_event_new_flush_start());
    pusher.join();
    EXPECT_EQ(flow, GST_FLOW_FLUSHING);
    harness.PushEvent(gst_event_new_flush_stop(TRUE));
    harness.PullAll();
    // Another stream begins.
    g_object_set(harness.Find("lfmgenerate"), "max-tokens", 10, nullptr);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    harness.PushEvent(gst_event_new_segment(&segment));
    Generator stream = Open({}, {.window = 16, .sinks = 2});
    ASSERT_EQ(harness.Push("again"), GST_FLOW_OK);
    harness.Eos();
    const std::string want = Answer(stream, "again", 10);
    EXPECT_EQ(WaitForText(harness, want.size(), GST_CLOCK_TIME_NONE), want);
  }
}

TEST(LfmGenerate, StopsInTheMiddleOfAnAnswer) {
  for (const char* between : {"", "queue ! "}) {
    GstElement* pipeline = gst_parse_launch(
        ("fakesrc num-buffers=1 sizetype=fixed sizemax=4 filltype=pattern ! text/x-raw,format=utf8 "
         "! " +
         Chain("", "name=head max-tokens=0", "window=16 sinks=2", between) +
         " ! fakesink name=sink signal-handoffs=true")
            .c_str(),
        nullptr);
    ASSERT_NE(pipeline, nullptr);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    std::atomic<int> heard = 0;
    g_signal_connect(
        sink, "handoff",
        G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, std::atomic<int>* count) { ++*count; }),
        &heard);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    while (heard < 5) std::this_thread::yield();
    EXPECT_EQ(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
  }
}

TEST(LfmGenerate, AnAnswerThatIsCutLeavesNothingForTheNext) {
  Generator plain = Open(kOptions);
  const std::string first = Answer(plain, "one", 12), second = Answer(plain, "two", 12);
  ASSERT_GT(first.size(), 3u);
  // Its end may be the beginning of a stop string, until the answer is cut.
  const std::string stop = first.substr(first.size() - 1) + "never";
  GeneratorOptions options = kOptions;
  options.stops = {stop};
  Generator stopped = Open(options);
  EXPECT_EQ(Answer(stopped, "one", 12), first);
  EXPECT_EQ(Answer(stopped, "two", 12), second);
  Harness harness(Chain("", "max-tokens=12" + kSampling));
  g_object_set(harness.Find("lfmgenerate"), "stop", stop.c_str(), nullptr);
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push("one"), GST_FLOW_OK);
  EXPECT_EQ(PullText(harness), first);
  ASSERT_EQ(harness.Push("two"), GST_FLOW_OK);
  EXPECT_EQ(PullText(harness), second);
}

TEST(LfmGenerate, GoesOnFromASnapshot) {
  Generator stream = Open(kOptions);
  Answer(stream, "one", 12);
  const std::string want = Answer(stream, "two", 12);
  const std::string head = "max-tokens=12" + kSampling;
  Harness first(Chain("", head));
  first.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(first.Push("one"), GST_FLOW_OK);
  GstStructure* fields = gst_structure_new("lfm/snapshot", "id", G_TYPE_STRING, "1", nullptr);
  first.PushEvent(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, fields));
  GstMessage* message = first.PopMessage("lfm-snapshot");
  ASSERT_NE(message, nullptr) << first.BusWarning();
  GBytes* state = nullptr;
  gst_structure_get(gst_message_get_structure(message), "state", G_TYPE_BYTES, &state, nullptr);
  gst_message_unref(message);

  const auto answer = [&](GBytes* from) {
    Harness second(Chain("", head));
    for (const char* factory : {"lfmtextenc", "lfmbackbone", "lfmgenerate"})
      g_object_set(second.Find(factory), "state", from, nullptr);
    second.Start("a", kCaps, GST_FORMAT_TIME);
    EXPECT_EQ(second.Push("two"), GST_FLOW_OK) << second.BusError();
    return PullText(second);
  };
  EXPECT_EQ(answer(state), want);

  // A Generator takes it, and gives one that the elements take.
  Generator other = Open(kOptions);
  gsize size = 0;
  const auto* bytes = static_cast<const std::byte*>(g_bytes_get_data(state, &size));
  ASSERT_TRUE(other.Restore({bytes, size}));
  g_bytes_unref(state);
  const auto early = other.Next();
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error().message, ::testing::HasSubstr("push tokens first"));
  const std::vector<std::byte> again = other.Save();
  GBytes* own = g_bytes_new(again.data(), again.size());
  EXPECT_EQ(answer(own), want);
  g_bytes_unref(own);
  EXPECT_EQ(Answer(other, "two", 12), want);
}

TEST(LfmGenerator, KeepsAConversationInAFile) {
  Generator stream = Open(kOptions);
  const std::string first = Answer(stream, "one", 12), second = Answer(stream, "two", 12);
  const std::string file = ModelFile() + ".state";
  const auto ask = [&](const std::string& prompt) {
    Harness harness("lfmgenerator model-path=" + ModelFile() + " state-location=" + file +
                    " max-tokens=12" + kSampling);
    harness.Start("a", kCaps, GST_FORMAT_TIME);
    EXPECT_EQ(harness.Push(prompt), GST_FLOW_OK) << harness.BusError();
    harness.Eos();
    EXPECT_EQ(harness.BusWarning(), "");
    return PullText(harness);
  };
  EXPECT_EQ(ask("one"), first);
  Generator other = Open(kOptions);
  EXPECT_TRUE(other.Restore(*ReadFile(file, size_t{1} << 30)));
  EXPECT_EQ(ask("two"), second);
  EXPECT_EQ(Answer(other, "two", 12), second);
  std::ofstream(file, std::ios::app) << "more";
  EXPECT_THAT(StartError("text/x-raw,format=utf8 ! lfmgenerator model-path=" + ModelFile() +
                         " state-location=" + file),
              ::testing::HasSubstr(file));
  std::filesystem::remove(file);
}

TEST(LfmGenerate, TwoInAChainDoNotHearEachOther) {
  Generator first = Open(kOptions), second = Open(kOptions);
  const std::string answer = Answer(first, "hello", 12), reply = Answer(second, answer, 12);
  Harness harness(Chain("", "output=answer max-tokens=12" + kSampling) + " ! " +
                  Chain("", "output=answer max-tokens=12" + kSampling));
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push("hello"), GST_FLOW_OK);
  EXPECT_EQ(PullText(harness), reply);
}

TEST(LfmGenerate, NobodyWaitsWhereDownstreamEnds) {
  Harness harness(Chain("", "max-tokens=30", "", "queue ! ") + " ! identity eos-after=3");
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  harness.Push("hello");  // returns
  GstFlowReturn flow = GST_FLOW_OK;
  for (int i = 0; i < 100 && flow == GST_FLOW_OK; ++i) flow = harness.Push("and more");
  EXPECT_EQ(flow, GST_FLOW_EOS);
}

TEST(LfmTextEnc, RefusesATokenThatThereIsNot) {
  for (const int id : {-5, 2'000'000'000}) {
    Harness harness(Chain("", "max-tokens=0", "window=16 sinks=2"));
    harness.Start("a", kCaps, GST_FORMAT_TIME);
    GstPad* pad = gst_element_get_static_pad(harness.Find("lfmtextenc"), "src");
    GstFlowReturn flow = GST_FLOW_OK;
    std::thread pusher([&] { flow = harness.Push("tell me all"); });
    for (int i = 0; i < 3; ++i) gst_buffer_unref(gst_harness_pull(harness.get()));
    gst_pad_send_event(
        pad, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                  gst_structure_new("lfm/token", "id", G_TYPE_INT, id, "last",
                                                    G_TYPE_BOOLEAN, FALSE, nullptr)));
    pusher.join();
    EXPECT_EQ(flow, GST_FLOW_ERROR);
    EXPECT_THAT(harness.BusError(),
                ::testing::HasSubstr("token " + std::to_string(id) + " came back"));
    gst_object_unref(pad);
  }
}

TEST(LfmTextEnc, GivesTheEmbeddingsOfTokens) {
  const auto model = *Model::Shared(ModelFile());
  Harness harness("lfmtextenc raw=true model-path=" + ModelFile());
  harness.Start("a", kCaps, GST_FORMAT_TIME);
  const std::string text = "any text \xff\xfe, broken or not";
  ASSERT_EQ(harness.Push(text, GST_SECOND), GST_FLOW_OK);
  ASSERT_EQ(harness.Push("", GST_SECOND), GST_FLOW_OK);  // nothing is said
  const auto ids = EncodePrompt(*model, text, std::nullopt, {.raw = true});
  std::vector<float> want(ids->size() * model->backbone().width());
  model->text()->Run(*ids, {want.data(), ids->size(), model->backbone().width()});
  std::vector<float> got;
  for (const Frame& frame : harness.PullAll()) {
    EXPECT_EQ(frame.pts, GST_SECOND);
    const auto values = frame.As<float>();
    got.insert(got.end(), values.begin(), values.end());
  }
  EXPECT_EQ(got, want);
  EXPECT_THAT(harness.SourceCaps(), ::testing::HasSubstr("modality=(string)text"));
}

TEST(LfmTextEnc, SaysWhatDoesNotFit) {
  const std::string sensors = RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf";
  EXPECT_THAT(StartError("text/x-raw,format=utf8 ! lfmtextenc model-path=" + sensors),
              ::testing::HasSubstr("the model does not read text"));
  EXPECT_THAT(StartError("text/x-raw,format=utf8 ! lfmgenerator"),
              ::testing::HasSubstr("no model is named"));
  EXPECT_THAT(StartError("lfmgenerate model-path=" + sensors),
              ::testing::HasSubstr("the model does not generate text"));
  Harness small(Chain("", "", "context=8"));
  small.Start("a", kCaps, GST_FORMAT_TIME);
  EXPECT_EQ(small.Push("more than eight tokens of text"), GST_FLOW_ERROR);
  EXPECT_THAT(small.BusError(), ::testing::HasSubstr("the declared context"));
  Harness role("lfmtextenc role=nobody model-path=" + ModelFile());
  role.Start("a", kCaps, GST_FORMAT_TIME);
  EXPECT_EQ(role.Push("hello"), GST_FLOW_ERROR);
  EXPECT_THAT(role.BusError(), ::testing::HasSubstr("nobody"));
}

}  // namespace
}  // namespace rill::testing
