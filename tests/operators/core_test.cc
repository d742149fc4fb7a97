// Results, views, state, targets, element types and shared kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>

#include "operators/core/kernels.h"
#include "operators/core/quant.h"
#include "operators/core/state.h"
#include "operators/core/target.h"
#include "operators/norm.h"
#include "operators/swiglu.h"
#include "tests/operators/contract.h"

namespace rill::testing {
namespace {

TEST(Target, IsTheForcedOne) {
  const char* forced = std::getenv("RILL_TARGET");
  if (forced == nullptr) GTEST_SKIP() << "RILL_TARGET is not set; the best target runs";
  if (!CheckTarget()) GTEST_SKIP() << CheckTarget().error().message;
  const std::string name = TargetName();
  if (std::string(forced) == "scalar") {
    EXPECT_TRUE(name == "SCALAR" || name == "EMU128") << name;
  } else {
    std::string upper = forced;
    std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
    EXPECT_EQ(name.substr(0, upper.size()), upper);
  }
}

TEST(State, LayoutAndFingerprint) {
  StateLayout a, b, c;
  const Slot x = a.Add("x", 3), n = a.Add("n", 1, ElementType::kInt64);
  b.Add("x", 3), b.Add("n", 1, ElementType::kFloat64);
  c.Add("x", 4), c.Add("n", 1, ElementType::kInt64);
  EXPECT_EQ(a.bytes(), 24u);
  EXPECT_NE(a.fingerprint(), b.fingerprint());
  EXPECT_NE(a.fingerprint(), c.fingerprint());
  State state(a, 2);
  state.lane(1).Floats(x)[2] = 5;
  state.lane(1).Integers(n)[0] = -7;
  EXPECT_EQ(state.lane(0).Floats(x)[2], 0);
  State copy = state;
  EXPECT_EQ(copy, state);
  copy.Reset();
  EXPECT_NE(copy, state);
  EXPECT_EQ(copy, State(a, 2));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(State, CostsTheMemoryThatIsWritten) {
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    int64_t pages = 0;
    status >> pages >> pages;
    return pages * 4096;
  };
  StateLayout layout;
  const Slot slot = layout.Add("keys", 64 << 20);  // 256 MB
  const int64_t before = resident();
  State state(layout);
  const auto use = [&] { std::ranges::fill(state.lane(0).Floats(slot).first(1 << 20), 1.0f); };
  use();
  const int64_t used = resident() - before;
  EXPECT_LT(used, 32 << 20);
  {
    const State other(layout);
    EXPECT_EQ(std::ranges::count(other.bytes(), std::byte{1}), 0);
    if (resident() - before > used + (32 << 20))
      GTEST_SKIP()
          << "this kernel has no page of zeros: what is read costs as much as what is written";
  }
  EXPECT_EQ(State(state), state);
  EXPECT_LT(resident() - before, 32 << 20);
  const State copy = state;
  EXPECT_LT(resident() - before, 64 << 20);
  EXPECT_EQ(copy.lane(0).Floats(slot)[(1 << 20) - 1], 1);
  state.Reset();
  EXPECT_EQ(state.lane(0).Floats(slot)[5], 0);
  use();
  EXPECT_LT(resident() - before, 64 << 20);
}
#endif

TEST(Quant, HalvesRoundTripAndRoundToEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value))));
    } else {
      ASSERT_EQ(FloatToHalf(value), half) << bits;
    }
  }
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), FloatToHalf(1.0f));  // tie to even
  EXPECT_EQ(FloatToHalf(1.0f + 3 * 0x1p-11f), FloatToHalf(1.0f + 0x1p-9f));
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-0x1p-26f), 0x8000);
}

TEST(Kernels, HalvesToFloatsIsExactForEveryLength) {
  Random random(1);
  for (size_t count = 0; count < 40; ++count) {
    std::vector<uint16_t> halves(count);
    for (uint16_t& half : halves) half = FloatToHalf(static_cast<float>(random.Uniform(-2, 2)));
    std::vector<float> got(count);
    HalvesToFloats(halves, got);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(got[i], HalfToFloat(halves[i]));
  }
}

TEST(Kernels, MultiplyMatchesTheReferenceForEveryShape) {
  Random random(2);
  for (const size_t outputs : {1, 7, 16, 17, 65, 130})
    for (const size_t inputs : {1, 3, 16, 33})
      for (const size_t rows : {1, 2, 3, 5, 6, 7, 8, 13}) {
        const std::vector<float> w = random.Floats(outputs * inputs),
                                 x = random.Floats(rows * inputs);
        const std::vector<float> b = random.Floats(outputs);
        const PackedMatrix packed({w.data(), outputs, inputs});
        std::vector<float> y(rows * outputs), one(outputs);
        Multiply(packed, {x.data(), rows, inputs}, b, {y.data(), rows, outputs});
        for (size_t r = 0; r < rows; ++r) {
          const std::span<const float> row = std::span(x).subspan(r * inputs, inputs);
          const auto want = reference::Linear(w, {row.begin(), row.end()}, &b);
          Multiply(packed, {row.data(), 1, inputs}, b, {one.data(), 1, outputs});
          for (size_t o = 0; o < outputs; ++o) {
            ASSERT_NEAR(y[r * outputs + o], want[o], kTolerance);
            ASSERT_EQ(y[r * outputs + o], one[o]) << "rows must not matter";
          }
        }
      }
}

// Elementwise functions give an element the same bits wherever it lies in the vector.
TEST(Kernels, ElementwiseFunctionsDoNotDependOnTheOffset) {
  Random random(3);
  const std::vector<float> x = random.Floats(70, -6, 6), g = random.Floats(70, -6, 6);
  std::vector<float> whole(70), part(70);
  using Function =
      std::function<void(std::span<const float>, std::span<const float>, std::span<float>)>;
  const Function functions[] = {
      [](auto, auto a, auto out) { Sigmoid(a, out); },
      [](auto, auto a, auto out) { Tanh(a, 0.666f, 1.7f, out); },
      [](auto b, auto a, auto out) { SiluTimes(b, a, out); },
      [](auto b, auto a, auto out) {
        std::copy(b.begin(), b.end(), out.begin()), MulAddInto(0.3f, a, out);
      },
  };
  const std::function<double(double, double)> wants[] = {
      [](double, double a) { return reference::Sigmoid(a); },
      [](double, double a) { return 1.7f * std::tanh(0.666f * a); },
      [](double b, double a) { return reference::Silu(b) * a; },
      [](double b, double a) { return b + 0.3f * a; },
  };
  for (size_t f = 0; f < std::size(functions); ++f) {
    functions[f](g, x, whole);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(whole[i], wants[f](g[i], x[i]), kTolerance);
    for (size_t begin = 0; begin < 20; ++begin)
      for (size_t count = 0; count <= 40; ++count) {
        functions[f](std::span(g).subspan(begin, count), std::span(x).subspan(begin, count),
                     std::span(part).first(count));
        ASSERT_TRUE(std::equal(part.begin(), part.begin() + static_cast<ptrdiff_t>(count),
                               whole.begin() + static_cast<ptrdiff_t>(begin)))
            << f << " " << begin << " " << count;
      }
  }
}

TEST(Kernels, ExtremesAreFoundAtEveryPlace) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ExtremesOf({}).least, infinity);
  EXPECT_EQ(ExtremesOf({}).most, -infinity);
  for (const size_t count : {1, 15, 16, 37, 64}) {
    for (size_t at = 0; at < count; ++at) {
      std::vector<float> x(count, 0.5f);
      x[at] = -3;
      x[count - 1 - at] = count > 1 && at != count - 1 - at ? 7 : -3;
      EXPECT_EQ(ExtremesOf(x).least, -3);
      EXPECT_EQ(ExtremesOf(x).most, *std::ranges::max_element(x));
      x[at] = -infinity;
      EXPECT_EQ(ExtremesOf(x).least, -infinity);
      x[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(ExtremesOf(x).least) && std::isnan(ExtremesOf(x).most));
    }
  }
}

TEST(Kernels, GatesTakeNumbersOfAnySize) {
  const float most = std::numeric_limits<float>::max();
  std::vector<float> x = {-most, -1e10f, -471, -200, -105, -104, -90, -88,   -60,
                          60,    88,     90,   104,  105,  200,  471, 1e10f, most};
  std::vector<float> sigmoid(x.size()), silu(x.size()), product(x.size()), tanh(x.size());
  const std::vector<float> ones(x.size(), 1);
  Sigmoid(x, sigmoid);
  Silu(x, silu);
  SiluTimes(x, ones, product);
  Tanh(x, 1, 1, tanh);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(sigmoid[i], x[i] > 0, 1e-20) << x[i];
    EXPECT_NEAR(silu[i], std::max(x[i], 0.0f), 1e-20) << x[i];
    EXPECT_EQ(silu[i], product[i]);
    EXPECT_EQ(tanh[i], std::copysign(1, x[i]));
  }
  x.assign(20, std::numeric_limits<float>::quiet_NaN());
  Sigmoid(x, x);
  for (const float value : x) EXPECT_TRUE(std::isnan(value)) << "nothing is hidden";
}

TEST(Norms, AgreeWithTheReference) {
  for (const size_t channels : {1, 3, 7, 16, 65}) {
    TensorSet tensors;
    Random random(channels);
    tensors.Add("n.weight", {channels}, 2, random);
    tensors.Add("n.bias", {channels}, 2, random);
    const auto weights = tensors.Load();
    const auto rms = RmsNorm::Load(*weights, "n", channels, 1e-5f);
    const auto layer = LayerNorm::Load(*weights, "n", channels, 1e-5f);
    const Block block(5, channels, 9);
    std::vector<float> y(block.x.size()), z(block.x.size());
    rms->Run(block.view(), {y.data(), 5, channels});
    layer->Run(block.view(), {z.data(), 5, channels});
    for (size_t t = 0; t < 5; ++t) {
      const auto row = block.Doubles()[t];
      const auto want = reference::RmsNorm(tensors.values().at("n.weight"), 1e-5, row);
      const auto want_layer = reference::LayerNorm(tensors.values().at("n.weight"),
                                                   tensors.values().at("n.bias"), 1e-5, row);
      for (size_t c = 0; c < channels; ++c) {
        ASSERT_NEAR(y[t * channels + c], want[c], kTolerance);
        if (channels > 1) {  // of a single channel nothing is left but rounding
          ASSERT_NEAR(z[t * channels + c], want_layer[c], kTolerance);
        }
      }
    }
  }
}

TEST(Swiglu, AgreesWithTheReferenceAndItsSteps) {
  for (const auto& [channels, inner] : {std::pair<size_t, size_t>{1, 3}, {7, 16}, {65, 33}}) {
    TensorSet tensors;
    Random random(channels);
    tensors.Add("op.gate.weight", {inner, channels}, 1, random);
    tensors.Add("op.up.weight", {inner, channels}, 0.5, random);
    tensors.Add("op.down.weight", {channels, inner}, 0.3, random);
    const auto op = Swiglu::Load(*tensors.Load(), "op.", channels, inner);
    Scratch scratch(op->ScratchFloats(9));
    const Block block(9, channels, 10);
    std::vector<float> y(block.x.size()), step(channels);
    op->Run(block.view(), scratch, {y.data(), 9, channels});
    for (size_t t = 0; t < 9; ++t) {
      op->Step(block.view()[t], scratch, step);
      const auto want = reference::Swiglu(tensors.values(), block.Doubles()[t]);
      for (size_t c = 0; c < channels; ++c) {
        ASSERT_EQ(y[t * channels + c], step[c]);
        ASSERT_NEAR(y[t * channels + c], want[c], kTolerance);
      }
    }
  }
}

}  // namespace
}  // namespace rill::testing
