// Liquid AI's architectures against a plain forward pass and llama.cpp's logits, and streams of
// tokens: any pieces, forks, snapshots, companions.
#include "pipeline/generator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pipeline/text_stage.h"
#include "tests/support/liquid_file.h"

namespace rill::testing {
namespace {

struct Loaded {
  std::vector<std::byte> bytes;
  std::shared_ptr<const Model> model;
};

Loaded Load(const LiquidShape& shape, const Model::Options& options) {
  Loaded loaded;
  loaded.bytes = LiquidFile(shape).Bytes();
  const auto model = Model::Load(*Weights::Parse(loaded.bytes, "tiny.gguf"), options);
  if (!model) ADD_FAILURE() << model.error().message;
  loaded.model = *model;
  return loaded;
}

std::vector<int32_t> Tokens(size_t count, size_t known, uint64_t seed) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(RandomBits(seed, i) % known));
  return tokens;
}

// Row-major [tokens, vocabulary].
std::vector<float> Logits(const std::shared_ptr<const Model>& shared,
                          const std::vector<int32_t>& tokens, size_t block, size_t threads = 1) {
  TextRunner runner(shared, threads);
  const Model& model = *shared;
  State state(model.backbone().layout());
  const size_t width = model.backbone().width(), known = model.text()->tokens();
  std::vector<float> rows(tokens.size() * width), logits(tokens.size() * known);
  const View<float> hidden{rows.data(), tokens.size(), width};
  const View<float> z{logits.data(), tokens.size(), known};
  model.text()->Run(tokens, hidden);
  for (size_t first = 0; first < tokens.size(); first += block) {
    const size_t count = std::min(block, tokens.size() - first);
    runner.Run(state.lane(0), hidden.Rows(first, count));
    std::ranges::copy(runner.Logits(hidden.Rows(first, count)).flat(), z[first].begin());
  }
  return logits;
}

double Correlation(const std::vector<float>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

LiquidShape Dense() { return {}; }
LiquidShape Experts() {
  LiquidShape shape;
  shape.architecture = "lfm2moe";
  shape.experts = 6;
  return shape;
}
LiquidShape Lfm3() {
  LiquidShape shape;
  shape.architecture = "lfm3";
  shape.taps = 7;
  shape.attention = {false, true, false, true, true};
  shape.sliding = {false, false, false, true, false};
  return shape;
}

TEST(Liquid, AgreesWithAPlainForwardPass) {
  LiquidShape own_output = Dense();
  own_output.output = true;
  LiquidShape full = Lfm3();
  full.sliding_window = 0;
  for (const LiquidShape& shape : {Dense(), own_output, Experts(), Lfm3(), full}) {
    SCOPED_TRACE(shape.architecture);
    const Loaded loaded = Load(shape, {.cache = CachePrecision::kFloat32});
    const auto tokens = Tokens(24, shape.tokens, 3);
    const auto want = LiquidReference(loaded.model->weights(), shape).Logits(tokens);
    const auto got = Logits(loaded.model, tokens, 24);
    for (size_t t = 0; t < tokens.size(); ++t)
      for (size_t v = 0; v < shape.tokens; ++v)
        ASSERT_NEAR(got[t * shape.tokens + v], want[t][v], 1e-4) << t << " " << v;
  }
}

TEST(Liquid, EveryTypeComesNearAPlainForwardPass) {
  for (const TensorType type :
       {TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0,
        TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K})
    for (LiquidShape shape : {Dense(), Experts(), Lfm3()}) {
      shape.width = shape.inner = 256;
      shape.head_width = 64;
      shape.type = type;
      SCOPED_TRACE(shape.architecture + " " +
                   std::string(InfoOf(static_cast<uint32_t>(type))->name));
      const Loaded loaded = Load(shape, {.cache = CachePrecision::kFloat32});
      const auto tokens = Tokens(10, shape.tokens, 4);
      std::vector<double> want;
      for (const auto& row : LiquidReference(loaded.model->weights(), shape).Logits(tokens))
        want.insert(want.end(), row.begin(), row.end());
      EXPECT_GT(Correlation(Logits(loaded.model, tokens, 10), want), 0.997);
    }
}

// llama.cpp's logits; see README.md beside them.
TEST(Liquid, AgreesWithLlamaCpp) {
  namespace fs = std::filesystem;
  const char* folder = std::getenv("RILL_GOLDEN_DIR");
  const fs::path archive =
      fs::path(folder != nullptr ? folder : RILL_SOURCE_DIR "/../shared/golden") / "lfm2.tar.xz";
  if (!fs::exists(archive)) GTEST_SKIP() << archive << " is absent";
  const fs::path unpacked = fs::path(::testing::TempDir()) / "rill-golden";
  fs::create_directories(unpacked);
  ASSERT_EQ(std::system(("tar -C " + unpacked.string() + " -xf " + archive.string()).c_str()), 0);
  const auto read = [&](const std::string& name, auto& values) {
    std::ifstream file(unpacked / "lfm2" / name, std::ios::binary);
    file.read(reinterpret_cast<char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof values[0]));
    ASSERT_TRUE(file) << name;
  };
  std::vector<int32_t> tokens(64);
  read("tokens64.i32", tokens);
  for (const char* name : {"tiny-f32", "tinymoe-f32", "tiny256-bf16", "tiny256-q8_0",
                           "tiny256-q4_0", "tiny256-q4_k", "tiny256-q6_k", "tinymoe256-q4_0"}) {
    SCOPED_TRACE(name);
    const auto model = Model::Load((unpacked / "lfm2" / (std::string(name) + ".gguf")).string(),
                                   {.cache = CachePrecision::kFloat32});
    ASSERT_TRUE(model) << model.error().message;
    std::vector<float> want(64 * (*model)->text()->tokens());
    read(std::string(name) + ".logits.f32", want);
    const std::vector<float> got = Logits(*model, tokens, 64);
    if (std::string_view(name).ends_with("f32")) {
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << i;
    } else {
      // llama.cpp rounds activations as well, those of K types in blocks of 256: with exact ones
      // the correlation of q4_k is 0.9984.
      EXPECT_GT(Correlation(got, {want.begin(), want.end()}), 0.9975);
    }
  }
  fs::remove_all(unpacked);
}

class GeneratorTest : public ::testing::TestWithParam<LiquidShape> {
 protected:
  GeneratorTest() {
    LiquidShape shape = GetParam();
    shape.width = 64;
    shape.head_width = 16;
    shape.type = TensorType::kQ8_0;
    loaded_ = Load(shape, {.context = 200});
  }
  Generator Open(GeneratorOptions options = {}, size_t threads = 1) {
    options.ignore_end = true;
    return *Generator::Open(loaded_.model, std::move(options),
                            std::make_shared<TextRunner>(loaded_.model, threads));
  }
  static std::vector<int32_t> Take(Generator& stream, size_t count) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < count; ++i) {
      const auto token = stream.Next();
      if (!token) ADD_FAILURE() << token.error().message;
      ids.push_back(token->id);
    }
    return ids;
  }
  std::vector<int32_t> prompt_ = Tokens(40, 300, 5);
  Loaded loaded_;
};

TEST_P(GeneratorTest, ThePiecesOfAPromptAndThreadsDoNotMatter) {
  Generator whole = Open();
  ASSERT_TRUE(whole.Push(prompt_));
  for (const size_t piece : {1, 7, 39}) {
    Generator stream = Open({}, piece % 3 + 1);
    for (size_t i = 0; i < prompt_.size(); i += piece)
      ASSERT_TRUE(stream.Push(std::span(prompt_).subspan(i, std::min(piece, prompt_.size() - i))));
    EXPECT_EQ(stream.Save(), whole.Save()) << piece;
  }
}

TEST_P(GeneratorTest, WhatIsDrawnIsTheSameWithASeed) {
  const GeneratorOptions warm{.sampling = {.temperature = 1.5, .top_p = 0.9, .seed = 7}};
  Generator a = Open(warm), b = Open(warm, 2);
  ASSERT_TRUE(a.Push(prompt_));
  ASSERT_TRUE(b.Push(prompt_));
  const auto ids = Take(a, 30);
  EXPECT_EQ(ids, Take(b, 30));
  Generator other = Open({.sampling = {.temperature = 1.5, .top_p = 0.9, .seed = 8}});
  ASSERT_TRUE(other.Push(prompt_));
  EXPECT_NE(ids, Take(other, 30));
}

TEST_P(GeneratorTest, AForkAndARestoredStreamGoOnTheSameWay) {
  const GeneratorOptions warm{.sampling = {.temperature = 1, .repetition_penalty = 1.2, .seed = 3}};
  Generator stream = Open(warm);
  ASSERT_TRUE(stream.Push(prompt_));
  Take(stream, 5);
  Generator fork = stream.Fork(), restored = Open(warm);
  const auto saved = stream.Save();
  ASSERT_TRUE(restored.Restore(saved));
  const auto ids = Take(stream, 20);
  EXPECT_EQ(Take(fork, 20), ids);
  EXPECT_EQ(Take(restored, 20), ids);
  EXPECT_EQ(restored.Save(), stream.Save());
  auto damaged = saved;
  damaged[damaged.size() / 2] ^= std::byte{1};
  EXPECT_FALSE(restored.Restore(damaged));
  EXPECT_EQ(restored.Save(), stream.Save()) << "a refused snapshot changes nothing";
}

TEST_P(GeneratorTest, CompanionsDoNotMatter) {
  const auto runner = std::make_shared<TextRunner>(loaded_.model, 2);
  std::vector<Generator> together, alone;
  for (size_t i = 0; i < 5; ++i) {
    together.push_back(*Generator::Open(loaded_.model, {.ignore_end = true}, runner));
    ASSERT_TRUE(together.back().Push(std::span(prompt_).first(3 + 8 * i)));
    alone.push_back(together.back());
  }
  std::vector<Generator*> streams;
  streams.reserve(together.size());
  for (Generator& stream : together) streams.push_back(&stream);
  std::vector<std::vector<int32_t>> ids(5);
  for (int t = 0; t < 12; ++t) {
    const auto tokens = Generator::NextOfAll(streams);
    for (size_t i = 0; i < 5; ++i) ids[i].push_back(tokens[i]->id);
  }
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(Take(alone[i], 12), ids[i]);
    EXPECT_EQ(alone[i].Save(), together[i].Save());
  }
}

TEST_P(GeneratorTest, StrangersDoNotStepTogether) {
  Generator a = Open(), b = Open(), c = a.Fork();
  for (Generator* stream : {&a, &b, &c}) ASSERT_TRUE(stream->Push(prompt_));
  const auto before = a.Save();
  for (const std::vector<Generator*>& streams :
       std::vector<std::vector<Generator*>>{{&a, &b}, {&c, &a, &a}}) {
    for (const auto& token : Generator::NextOfAll(streams)) {
      ASSERT_FALSE(token);
      EXPECT_NE(token.error().message.find("is there twice, or has a runner of its own"),
                std::string::npos);
    }
    EXPECT_EQ(a.Save(), before);
  }
  const Loaded other = Load({}, {});
  const auto stream =
      Generator::Open(other.model, {}, std::make_shared<TextRunner>(loaded_.model, 1));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().message, "tiny.gguf: the runner given is of another model, tiny.gguf");
}

TEST_P(GeneratorTest, AStreamThatIsResetIsFresh) {
  Generator used = Open(), fresh = Open();
  ASSERT_TRUE(used.Push(prompt_));
  Take(used, 9);
  used.Reset();
  EXPECT_EQ(used.Save(), fresh.Save());
}

TEST_P(GeneratorTest, AFullContextIsRefusedAndLeavesTheStream) {
  Generator stream = Open();
  ASSERT_TRUE(stream.Push(Tokens(195, 300, 1)));
  const auto before = stream.Save();
  const auto refused = stream.Push(Tokens(6, 300, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(
      refused.error().message,
      "6 tokens after 195, the context has room for 5 more: declare a longer one, or a window");
  EXPECT_EQ(stream.Save(), before);
  Take(stream, 5);
  EXPECT_FALSE(stream.Next());
}

TEST_P(GeneratorTest, AWindowGoesOnForEver) {
  const auto model =
      *Model::Load(*Weights::Parse(loaded_.bytes, "tiny.gguf"), {.window = 16, .sinks = 4});
  const auto full = *Model::Load(*Weights::Parse(loaded_.bytes, "tiny.gguf"), {.context = 200});
  Generator stream = *Generator::Open(model, {.ignore_end = true});
  Generator all = *Generator::Open(full, {.ignore_end = true});
  ASSERT_TRUE(stream.Push(std::span(prompt_).first(10)));
  ASSERT_TRUE(all.Push(std::span(prompt_).first(10)));
  EXPECT_EQ(Take(stream, 9), Take(all, 9)) << "before the first eviction";
  const size_t bytes = stream.state_bytes();
  Take(stream, 300);
  EXPECT_EQ(stream.state_bytes(), bytes);
  EXPECT_EQ(stream.position(), 319);
}

TEST_P(GeneratorTest, TokensThatThereAreNotAreRefused) {
  Generator stream = Open();
  EXPECT_EQ(stream.Next().error().message, "nothing to go on from: push a token first");
  const std::vector<int32_t> bad = {1, 300};
  EXPECT_EQ(stream.Push(bad).error().message, "token 1 is 300, the vocabulary has 0 to 299");
  EXPECT_EQ(stream.Push(std::vector<int32_t>{-1}).error().message,
            "token 0 is -1, the vocabulary has 0 to 299");
}

INSTANTIATE_TEST_SUITE_P(Architectures, GeneratorTest,
                         ::testing::Values(Dense(), Experts(), Lfm3()),
                         [](const auto& info) { return info.param.architecture; });

TEST(Liquid, LogitsThatAreNotFiniteAreRefused) {
  const Loaded loaded = Load({}, {});
  for (const float temperature : {0.0f, 1.0f}) {
    GenerateStage head =
        *GenerateStage::Open(loaded.model, {.sampling = {.temperature = temperature}});
    std::vector<float> logits(loaded.model->text()->tokens());
    EXPECT_TRUE(head.Choose(logits));
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e38f}) {
      logits[0] = value;
      const auto token = head.Choose(logits);
      ASSERT_FALSE(token);
      EXPECT_NE(token.error().message.find("not finite"), std::string::npos);
    }
  }
}

TEST(Liquid, AStateThatThereIsNoMemoryForIsRefused) {
  const Loaded loaded = Load({}, {.context = size_t{1} << 41});
  const auto stream = Generator::Open(loaded.model, {});
  ASSERT_FALSE(stream);
  EXPECT_NE(stream.error().message.find("there is no memory for a state of"), std::string::npos);
  const auto bytes = LiquidFile({}).Bytes();
  const auto more = Model::Load(*Weights::Parse(bytes, "tiny.gguf"), {.window = size_t{1} << 60});
  ASSERT_FALSE(more);
  EXPECT_NE(more.error().message.find("a context or window of"), std::string::npos);
}

TEST(Liquid, PartsOfASnapshotMustBeOfOneStream) {
  const Loaded loaded = Load({}, {});
  Generator stream = *Generator::Open(loaded.model, {});
  ASSERT_TRUE(stream.Push(Tokens(5, 300, 1)));
  Snapshot snapshot = *Snapshot::Parse(stream.Save());
  snapshot.parts[0] = TextStage::PartAt(4, 0);
  const auto restored = stream.Restore(snapshot.Serialize());
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().message, "snapshot has 4 tokens of text and 5 before the head");
}

TEST(Liquid, AttentionOfAnotherKindIsRefused) {
  const auto message = [](const auto& add) {
    LiquidFile file(Lfm3());
    add(file.builder());
    const auto bytes = file.Bytes();
    const auto model = Model::Load(*Weights::Parse(bytes, "f.gguf"));
    return model ? std::string("loaded") : model.error().message;
  };
  EXPECT_EQ(message([](auto& b) { b.Key("lfm3.attention.causal", false); }),
            "f.gguf: key lfm3.attention.causal is false: attention to what comes later is no "
            "stream");
  EXPECT_EQ(message([](auto& b) { b.Key("lfm3.attention.causal", uint32_t{1}); }),
            "f.gguf: key lfm3.attention.causal is not a boolean");
  EXPECT_EQ(message([](auto& b) { b.Key("lfm3.rope.dimension_count", uint32_t{4}); }),
            "f.gguf: key lfm3.rope.dimension_count is 4, only the width of the heads is known, 8");
  EXPECT_EQ(message([](auto& b) {
              b.Key("lfm3.attention.causal", true);
              b.Key("lfm3.rope.dimension_count", uint32_t{8});
            }),
            "loaded");
}

TEST(Liquid, WhatIsMissingIsNamed) {
  const auto message = [](const std::vector<std::byte>& bytes) {
    const auto model = Model::Load(*Weights::Parse(bytes, "f.gguf"));
    return model ? std::string("loaded") : model.error().message;
  };
  GgufBuilder builder;
  builder.Key("general.architecture", std::string_view("lfm3"));
  EXPECT_EQ(message(builder.Bytes()), "f.gguf: key lfm3.block_count is missing");
  LiquidShape two = Lfm3();
  LiquidFile file(two);
  auto bytes = file.Bytes();
  // Names of the same length that nobody asks for.
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const char* name : {"token_embd.weight", "blk.0.post_ffw_norm.weight", "output_norm.weight"})
    bytes[all.find(name)] = std::byte{'x'};
  EXPECT_EQ(message(bytes),
            "f.gguf: 3 tensors of architecture lfm3 are missing: token_embd.weight, "
            "blk.0.post_ffw_norm.weight, output_norm.weight");
}

}  // namespace
}  // namespace rill::testing
