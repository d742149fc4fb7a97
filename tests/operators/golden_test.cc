// The operators against outputs of their PyTorch counterparts
// (training/rill_train/export_goldens.py).
#include <gtest/gtest.h>

#include "operators/attention.h"
#include "operators/cfc.h"
#include "operators/linear.h"
#include "operators/liquid_scan.h"
#include "operators/norm.h"
#include "operators/short_conv.h"
#include "operators/swiglu.h"
#include "tests/operators/contract.h"

namespace rill::testing {
namespace {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : weights_(*Weights::Open(RILL_SOURCE_DIR "/tests/goldens/" + name + ".gguf")) {}

  const Weights& weights() const { return *weights_; }
  bool Has(const std::string& tensor) const { return weights_->tensors().contains(tensor); }
  size_t Rows(const std::string& tensor) const {
    return static_cast<size_t>(weights_->tensors().at(tensor).extents[1]);
  }
  size_t Columns(const std::string& tensor) const {
    return static_cast<size_t>(weights_->tensors().at(tensor).extents[0]);
  }
  std::vector<float> Values(const std::string& tensor) const {
    const Tensor& t = weights_->tensors().at(tensor);
    std::vector<float> values(t.elements());
    ToFloat(t.type, t.bytes, values);
    return values;
  }
  size_t Key(const std::string& key) const {
    return static_cast<size_t>(*weights_->Integer("rill." + key, 0, 1 << 20));
  }

 private:
  std::shared_ptr<const Weights> weights_;
};

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], kTolerance) << "element " << i;
}

// Runs the whole golden input from its initial state; the state has one slot of floats, or none is
// compared.
template <typename Operator>
void Check(const Golden& golden, const Operator& op, const StateLayout& layout) {
  const size_t rows = golden.Rows("input"), columns = golden.Columns("input");
  const std::vector<float> x = golden.Values("input");
  const std::vector<float> dt =
      golden.Has("dt") ? golden.Values("dt") : std::vector<float>(rows, 1.0f);
  State state(layout);
  const auto state_floats = [&](const std::string& name) {
    const size_t count = golden.Values(name).size();
    return state.lane(0).Floats({0, count, ElementType::kFloat32});
  };
  if (golden.Has("state_in"))
    std::ranges::copy(golden.Values("state_in"), state_floats("state_in").begin());
  std::vector<float> y(rows * columns);
  Scratch scratch(op.ScratchFloats(rows));
  const Sequence sequence{state.lane(0), rows};
  op.Run({{x.data(), rows, columns}, dt, {&sequence, 1}}, scratch, {y.data(), rows, columns});
  ExpectNear(y, golden.Values("output"));
  if (golden.Has("state_out")) {
    const auto after = state_floats("state_out");
    ExpectNear({after.begin(), after.end()}, golden.Values("state_out"));
  }
}

TEST(Golden, ShortConv) {
  const Golden golden("short_conv");
  StateLayout layout;
  const auto op = ShortConv::Load(golden.weights(), "blk.0.short_conv", golden.Columns("input"),
                                  golden.Key("short_conv.taps"), layout);
  ASSERT_TRUE(op) << op.error().message;
  Check(golden, *op, layout);
}

TEST(Golden, LiquidScan) {
  const Golden golden("liquid_scan");
  StateLayout layout;
  const auto op = LiquidScan::Load(golden.weights(), "blk.0.liquid_scan", golden.Columns("input"),
                                   golden.Key("liquid_scan.width"), layout);
  ASSERT_TRUE(op) << op.error().message;
  Check(golden, *op, layout);
}

TEST(Golden, Cfc) {
  const Golden golden("cfc");
  StateLayout layout;
  const auto op = Cfc::Load(golden.weights(), "blk.0.cfc", golden.Columns("input"),
                            golden.Key("cfc.width"), golden.Key("cfc.backbone"), layout);
  ASSERT_TRUE(op) << op.error().message;
  Check(golden, *op, layout);
}

void CheckAttention(const std::string& name) {
  const Golden golden(name);
  AttentionConfig config;
  config.heads = golden.Key("attention.heads");
  config.kv_heads = golden.Key("attention.kv_heads");
  config.head_width = golden.Key("attention.head_width");
  config.rope_base = *golden.weights().Number("rill.attention.rope_base", 1, 1e12);
  config.precision = CachePrecision::kFloat32;
  if (golden.weights().Has("rill.attention.capacity")) {
    config.capacity = golden.Key("attention.capacity");
  } else {
    config.window = golden.Key("attention.window");
    config.sinks = golden.Key("attention.sinks");
  }
  StateLayout layout;
  const auto op =
      Attention::Load(golden.weights(), "blk.0.attention", AttentionNames::Under("blk.0.attention"),
                      golden.Columns("input"), config, layout);
  ASSERT_TRUE(op) << op.error().message;
  Check(golden, *op, layout);
}

TEST(Golden, AttentionWithWindowAndSinks) { CheckAttention("attention"); }
TEST(Golden, FullAttention) { CheckAttention("attention_full"); }

TEST(Golden, Swiglu) {
  const Golden golden("swiglu");
  const size_t rows = golden.Rows("input"), columns = golden.Columns("input");
  const auto op =
      Swiglu::Load(golden.weights(), "blk.0.swiglu.", columns, golden.Key("swiglu.width"));
  ASSERT_TRUE(op) << op.error().message;
  Scratch scratch(op->ScratchFloats(rows));
  std::vector<float> x = golden.Values("input"), y(x.size());
  op->Run({x.data(), rows, columns}, scratch, {y.data(), rows, columns});
  ExpectNear(y, golden.Values("output"));
}

TEST(Golden, RmsNormAndLinear) {
  const Golden norm("rms_norm"), linear("linear");
  const size_t rows = norm.Rows("input"), columns = norm.Columns("input");
  const auto rms =
      RmsNorm::Load(norm.weights(), "blk.0.norm", columns,
                    static_cast<float>(*norm.weights().Number("rill.norm_epsilon", 0, 1)));
  ASSERT_TRUE(rms) << rms.error().message;
  std::vector<float> x = norm.Values("input"), y(x.size());
  rms->Run({x.data(), rows, columns}, {y.data(), rows, columns});
  ExpectNear(y, norm.Values("output"));

  const size_t outputs = linear.Columns("output"), inputs = linear.Columns("input");
  const auto affine =
      Linear::Load(linear.weights(), "blk.0.linear", outputs, inputs, Bias::kPresent);
  ASSERT_TRUE(affine) << affine.error().message;
  x = linear.Values("input");
  y.assign(linear.Rows("input") * outputs, 0);
  affine->Run({x.data(), linear.Rows("input"), inputs}, {y.data(), linear.Rows("input"), outputs});
  ExpectNear(y, linear.Values("output"));
}

}  // namespace
}  // namespace rill::testing
