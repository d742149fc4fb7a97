// Inputs rounded to 8 bits: what int8_kernels.h says.
#include "operators/core/int8_kernels.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/core/int8_rows.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

// One block of one row: its values and their scale.
HWY_INLINE float RoundBlock(const float* x, int8_t* values) {
  const hn::CappedTag<float, kHalfBlock> d;
  const hn::Rebind<int8_t, decltype(d)> bytes;
  const size_t lanes = hn::Lanes(d);
  auto most = hn::Zero(d), poison = hn::Zero(d);  // poison: 0 · x is not finite where x is not
  for (size_t i = 0; i < kBlockInputs; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    most = hn::Max(most, hn::Abs(v));
    poison = hn::MulAdd(v, hn::Zero(d), poison);
  }
  const float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  const bool finite = std::isfinite(hn::GetLane(hn::SumOfLanes(d, poison)));
  const float inverse = finite && largest > 0 ? 127 / largest : 0;
  for (size_t i = 0; i < kBlockInputs; i += lanes) {
    const auto v = finite ? hn::LoadU(d, x + i) : hn::Zero(d);
    const auto rounded = hn::NearestInt(hn::Mul(v, hn::Set(d, inverse)));
    hn::StoreU(hn::DemoteTo(bytes, rounded), bytes, values + i);
  }
  return finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN();
}

void RoundRowsKernel(View<const float> x, const CodeForm& form, size_t first_block,
                     size_t end_block, Int8Rows& out) {
  for (size_t block = first_block; block < end_block; ++block)
    for (size_t r = 0; r < out.rows; ++r) {
      const size_t at = block * out.rows + r;
      int8_t* values = out.values + at * kBlockInputs;
      out.scales[at] = RoundBlock(x[r].data() + block * kBlockInputs, values);
      int32_t sums[2] = {};
      for (size_t half = 0; half < 2; ++half)
        for (size_t i = 0; i < kHalfBlock; ++i) sums[half] += values[half * kHalfBlock + i];
      if (form.half_scales) {
        for (size_t half = 0; half < 2; ++half)
          out.starts[(2 * block + half) * out.rows + r] = -form.zero * sums[half];
      } else {
        out.starts[at] = -form.zero * (sums[0] + sums[1]);
      }
      if (form.mins) out.offsets[at] = out.scales[at] * static_cast<float>(sums[0] + sums[1]);
    }
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(RoundRowsKernel);

void RoundRows(View<const float> x, const CodeForm& form, size_t first_block, size_t end_block,
               Int8Rows& out) {
  HWY_DYNAMIC_DISPATCH(RoundRowsKernel)(x, form, first_block, end_block, out);
}

}  // namespace rill
#endif
