// `rill quantize`, `generate`, `inspect` and `bench generate` on a tiny model of Liquid AI's shape.
#include <fcntl.h>
#include <sys/stat.h>

#include "pipeline/files.h"
#include "pipeline/model.h"
#include "tests/support/liquid_file.h"
#include "tests/tools/rill_process.h"

namespace rill::testing {
namespace {

class Text : public Rill {
 protected:
  Text() {
    LiquidShape shape;
    shape.width = shape.inner = 256;
    shape.head_width = 64;
    EXPECT_TRUE(WriteAtomically(Path("f32.gguf"), LiquidFile(shape).Bytes()));
  }
  // The texts that a model goes on with.
  std::string Generated(const std::string& file) const {
    const Outcome outcome = Run("generate -m " + Path(file) + " --raw -p 'once upon' -n 20 --json");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out)["text"];
  }
};

TEST_F(Text, QuantizesToEveryType) {
  const std::string whole = Generated("f32.gguf");
  size_t last_bytes = SIZE_MAX;
  for (const char* type : {"F32", "F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K"}) {
    SCOPED_TRACE(type);
    const Outcome outcome = Run("quantize " + Path("f32.gguf") + " " + Path("q.gguf") + " --type " +
                                type + " --embeddings " + type);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto made = *Weights::Open(Path("q.gguf")), from = *Weights::Open(Path("f32.gguf"));
    EXPECT_EQ(made->tensors().size(), from->tensors().size());
    EXPECT_EQ(made->keys().size(), from->keys().size() + 1);  // general.file_type
    for (const auto& [name, tensor] : made->tensors()) {
      const bool matrix = tensor.rank == 2 && name.find(".conv.") == std::string::npos;
      EXPECT_EQ(InfoOf(static_cast<uint32_t>(tensor.type))->name, matrix ? type : "F32") << name;
      EXPECT_EQ(tensor.elements(), from->tensors().at(name).elements());
    }
    EXPECT_LT(made->file_bytes(), last_bytes);
    last_bytes = made->file_bytes();
    const std::string text = Generated("q.gguf");
    if (type == std::string("F32")) {
      EXPECT_EQ(text, whole);
    }
    EXPECT_FALSE(text.empty());
    EXPECT_FALSE(std::filesystem::exists(Path("q.gguf.part")));
  }
  // From blocks to other blocks, and the table of tokens finer than the rest.
  const Outcome outcome = Run("quantize " + Path("q.gguf") + " " + Path("r.gguf") + " --type Q4_0");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto made = *Weights::Open(Path("r.gguf"));
  EXPECT_EQ(made->tensors().at("token_embd.weight").type, TensorType::kQ6_K);
  EXPECT_EQ(made->tensors().at("blk.0.ffn_gate.weight").type, TensorType::kQ4_0);
}

TEST_F(Text, QuantizesFilesOfOurOwn) {
  const std::string mini = RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf";
  ASSERT_EQ(Run("quantize " + mini + " " + Path("half.gguf") + " --type F16").code, 0);
  EXPECT_EQ(Run("forecast -m " + Path("half.gguf") + " --horizon 3 " + Path("rows.csv")).code, 0);
}

TEST_F(Text, QuantizesFilesOfAnotherAlignment) {
  LiquidFile file(LiquidShape{});
  // Not the key, but its name in the text of another.
  file.builder().Key("general.description", "general.alignment\4\0\0\0\0\0\0\0");
  file.builder().Key("general.alignment", uint32_t{8});
  auto bytes = file.builder().Bytes(8);
  while (bytes.size() % 8 != 0) bytes.push_back({});
  ASSERT_TRUE(WriteAtomically(Path("eight.gguf"), bytes));
  const Outcome outcome =
      Run("quantize " + Path("eight.gguf") + " " + Path("q.gguf") + " --type F32");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto from = *Weights::Open(Path("eight.gguf")), made = *Weights::Open(Path("q.gguf"));
  EXPECT_FALSE(made->Has("general.alignment"));
  for (const auto& [name, tensor] : made->tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, from->tensors().at(name).bytes)) << name;
}

TEST_F(Text, RefusesNumbersThatTheTypeDoesNotHave) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e30f}) {
    LiquidFile file(LiquidShape{});
    std::vector<float> matrix(size_t{64} * 32, 0.5f);
    matrix[5 * 32 + 3] = value;
    file.builder().Tensor("extra.weight", {64, 32}, matrix);
    ASSERT_TRUE(WriteAtomically(Path("odd.gguf"), file.Bytes()));
    ExpectSentence(Run("quantize " + Path("odd.gguf") + " " + Path("q.gguf") + " --type F16"),
                   "row 5 of tensor extra.weight holds numbers that are not finite");
    EXPECT_FALSE(std::filesystem::exists(Path("q.gguf")));
  }
}

TEST_F(Text, ContextsThatCannotBeAreRefused) {
  const std::string model = Path("f32.gguf");
  EXPECT_EQ(Run("inspect " + model + " --context 18446744073709551615").code, 2);
  EXPECT_EQ(Run("bench generate -m " + model + " --window 100000000000 --prompt 8").code, 2);
  EXPECT_EQ(Run("generate -m " + model + " -p a --sinks 4").code, 2);
  EXPECT_EQ(Run("generate -m " + model + " -p a --threads 17").code, 2);
  EXPECT_EQ(Run("generate -m " + model + " -p a --threads -1").code, 2);
}

TEST_F(Text, LogitsOverTheirModelHarmNothing) {
  const int32_t tokens[] = {1, 9, 20};
  ASSERT_TRUE(WriteAtomically(Path("ids"), std::as_bytes(std::span(tokens))));
  const Outcome outcome =
      Run("logits -m " + Path("f32.gguf") + " --tokens " + Path("ids") + " -o " + Path("f32.gguf"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::filesystem::file_size(Path("f32.gguf")), sizeof(float) * 3 * 300);
}

TEST_F(Text, OnlyFilesAreReplaced) {
  namespace fs = std::filesystem;
  const std::string model = Path("f32.gguf"), ids = Path("ids");
  const int32_t tokens[] = {1, 9, 20};
  ASSERT_TRUE(WriteAtomically(ids, std::as_bytes(std::span(tokens))));
  const std::string logits = "logits -m " + model + " --tokens " + ids + " -o ";
  ASSERT_EQ(Run(logits + Path("whole")).code, 0);
  const std::string whole = Slurp(Path("whole"));
  ASSERT_EQ(whole.size(), sizeof(float) * 3 * 300);
  // A pipe with a name, which holds so much, and one without.
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const int pipe = open(Path("pipe").c_str(), O_RDWR | O_NONBLOCK);
  ASSERT_GE(pipe, 0);
  EXPECT_EQ(Run(logits + Path("pipe")).code, 0);
  std::string read(whole.size() + 1, '\0');
  EXPECT_EQ(::read(pipe, read.data(), read.size()), static_cast<ssize_t>(whole.size()));
  EXPECT_TRUE(read.starts_with(whole));
  close(pipe);
  EXPECT_EQ(Run(logits + "/dev/stdout | cat").out, whole);
  ExpectSentence(Run("quantize " + model + " " + Path("pipe") + " --type Q8_0"),
                 "pipe: is no regular file");
  EXPECT_TRUE(fs::is_fifo(Path("pipe")));
  // Links stay, whether what they name is there or not, and modes.
  fs::create_symlink("there", Path("link"));
  for (int there = 0; there < 2; ++there) {
    EXPECT_EQ(Run(logits + Path("link")).code, 0);
    EXPECT_TRUE(fs::is_symlink(Path("link")));
    EXPECT_EQ(Slurp(Path("there")), whole);
    fs::permissions(Path("there"), fs::perms::owner_read);
  }
  EXPECT_EQ(fs::status(Path("there")).permissions(), fs::perms::owner_read);
  {  // Whoever is not root can write to the new file of an old one that is read-only.
    const Result<OutputFile> file = OutputFile::Create(Path("there"));
    ASSERT_TRUE(file);
    EXPECT_EQ(fs::status(file->path()).permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
  }
  // What has the name of the new file before its end is somebody's, here the model itself.
  fs::rename(model, Path("new.part"));
  EXPECT_EQ(Run("logits -m " + Path("new.part") + " --tokens " + ids + " -o " + Path("new")).code,
            0);
  EXPECT_EQ(Slurp(Path("new")), whole);
  EXPECT_TRUE(fs::exists(Path("new.part")));
  ExpectSentence(Run("logits -m " + Path("new.part") + " --tokens " + ids + " -o " + Path("")),
                 ": is a folder");
}

TEST_F(Text, ThePromptIsWhatIsLeftOfTheStandardInput) {
  std::ofstream(Path("prompt")) << "not this\nonce upon";
  const std::string generate = "generate -m " + Path("f32.gguf") + " --raw -n 5 --json ";
  const Outcome rest =
      Shell("{ read line; " RILL_BINARY_DIR "/bin/rill " + generate + "-f -; } <" + Path("prompt"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  const json got = json::parse(rest.out), want = json::parse(Run(generate + "-p 'once upon'").out);
  EXPECT_EQ(got["text"], want["text"]);
  EXPECT_EQ(got["prompt_tokens"], want["prompt_tokens"]);
}

TEST_F(Text, AnAnswerThatFillsTheContextIsShownAndKept) {
  const std::string generate = "generate -m " + Path("f32.gguf") + " --raw --json --ignore-end ";
  const Outcome outcome =
      Run(generate + "-p once --context 12 -n 40 --save-state " + Path("full.state"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(answer["finish"], "context");
  EXPECT_EQ(answer["tokens"].get<int>() + answer["prompt_tokens"].get<int>(), 12);
  EXPECT_NE(outcome.err.find("the context of 12 tokens is full"), std::string::npos) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(Path("full.state")));
  EXPECT_EQ(json::parse(Run(generate + "-p once -n 3").out)["finish"], "length");
}

TEST_F(Text, WhatCannotBePrintedIsSaid) {
  ExpectSentence(Run("generate -m " + Path("f32.gguf") + " --raw -p once -n 3 >/dev/full"),
                 "cannot write");
}

TEST_F(Text, AnAnswerThatWasCutIsClosed) {
  const std::string model = "generate -m " + Path("f32.gguf") + " --kv f32 ";
  const auto take = [&](const std::string& more) {
    const Outcome outcome = Run(model + more + " --json");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? json::parse(outcome.out) : json();
  };
  take("-p one -n 0 --save-state " + Path("a.state"));
  const json next = take("--resume " + Path("a.state") + " -p two -n 9");
  // The same, as a conversation with an empty answer in it.
  const json whole = take(
      "--raw -n 9 -p '<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n"
      "<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n'");
  EXPECT_EQ(next["text"], whole["text"]);
}

TEST_F(Text, QuantizeSaysWhatIsWrong) {
  ExpectSentence(Run("quantize " + Path("f32.gguf") + " " + Path("q.gguf") + " --type Q3_K"),
                 "the type \"Q3_K\" is not known; known are F32");
  ExpectSentence(Run("quantize " + Path("rows.csv") + " " + Path("q.gguf") + " --type Q8_0"),
                 "not a GGUF file");
  ExpectSentence(Run("quantize " + Path("f32.gguf") + " /no/such/folder/q.gguf --type Q8_0"),
                 "/no/such/folder/q.gguf.part: cannot create");
  EXPECT_FALSE(std::filesystem::exists(Path("q.gguf")));
}

TEST_F(Text, InspectShowsTextModels) {
  const Outcome outcome = Run("inspect " + Path("f32.gguf") + " --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json shown = json::parse(outcome.out);
  EXPECT_EQ(shown["encoders"]["text"]["tokens"], 300);
  EXPECT_EQ(shown["heads"]["generate"]["context"], 4096);
  uint64_t parameters = 0;
  for (const json& layer : shown["layers"]) parameters += layer["parameters"].get<uint64_t>();
  EXPECT_EQ(parameters, shown["parameters"]) << "a tensor belongs to no part";
  const Outcome table = Run("inspect " + Path("f32.gguf"));
  EXPECT_NE(table.out.find("conversations in ChatML"), std::string::npos) << table.out;
}

TEST_F(Text, InspectCountsStateAndWhatATokenUses) {
  const auto state = [&](const std::string& options) {
    const json shown = json::parse(Run("inspect " + Path("f32.gguf") + " --json" + options).out);
    uint64_t bytes = 0;
    for (const json& layer : shown["layers"]) bytes += layer["state_bytes"].get<uint64_t>();
    return bytes;
  };
  // Two layers with keys and values of two heads of 64, in float16.
  EXPECT_EQ(state(" --context 2048") - state(" --context 1024"), 1024u * 2 * 2 * 2 * 64 * 2);
  EXPECT_LT(state(" --window 100 --sinks 4"), state(" --context 200"));
  EXPECT_NE(Run("inspect " + Path("f32.gguf") + " --window 100 --sinks 4")
                .out.find("the last 100 tokens and the first 4"),
            std::string::npos);

  LiquidShape mixture;
  mixture.architecture = "lfm2moe";
  mixture.experts = 4;
  ASSERT_TRUE(WriteAtomically(Path("moe.gguf"), LiquidFile(mixture).Bytes()));
  const json shown = json::parse(Run("inspect " + Path("moe.gguf") + " --json").out);
  // Three of four layers have experts; half of them are used.
  uint64_t experts = 0;
  const auto weights = *Weights::Open(Path("moe.gguf"));
  for (const auto& [name, tensor] : weights->tensors())
    if (name.find("_exps.") != std::string::npos) experts += tensor.elements();
  EXPECT_GT(experts, 0u);
  EXPECT_EQ(shown["a_token_uses"], shown["parameters"].get<uint64_t>() - experts / 2);
}

TEST_F(Text, AStreamGoesOnFromItsState) {
  const std::string bench =
      "bench generate -m " + Path("f32.gguf") + " --window 64 --sinks 4 --json --stream ";
  ASSERT_EQ(Run(bench + "5000 --state " + Path("whole")).code, 0);
  ASSERT_EQ(Run(bench + "1500 --state " + Path("parts")).code, 0);
  const Outcome rest = Run(bench + "5000 --state " + Path("parts"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(Slurp(Path("parts")), Slurp(Path("whole")));
  const std::vector<json> lines = Lines(rest.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["tokens"], 4096);
  EXPECT_EQ(lines[0]["begun_at"], 1500);
  EXPECT_EQ(lines[1]["tokens"], 5000);
  ExpectSentence(Run(bench + "9 --state " + Path("rows.csv")), "rows.csv");
}

}  // namespace
}  // namespace rill::testing
