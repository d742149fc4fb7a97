// Highway helpers for the kernels, once a target: include after HWY_TARGET_INCLUDE, inside no
// namespace.
#if defined(RILL_OPERATORS_CORE_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RILL_OPERATORS_CORE_VECTOR_INL_H_
#undef RILL_OPERATORS_CORE_VECTOR_INL_H_
#else
#define RILL_OPERATORS_CORE_VECTOR_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

// The first n < Lanes values, the rest zero.
HWY_INLINE Vector LoadTail(const float* from, size_t n) {
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = from[i];
  return hn::Load(Floats(), lanes);
}

HWY_INLINE void StoreTail(Vector v, float* to, size_t n) {
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(v, Floats(), lanes);
  for (size_t i = 0; i < n; ++i) to[i] = lanes[i];
}

// out[i] = f(a[i], b[i], ...): body and tail run the same instructions.
template <typename Function, typename... Inputs>
HWY_INLINE void Transform(size_t count, float* out, const Function& f, const Inputs*... in) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(f(hn::LoadU(d, in + i)...), d, out + i);
  if (i < count) StoreTail(f(LoadTail(in + i, count - i)...), out + i, count - i);
}

// 1 + exp(-x). hn::Exp is infinite from 89 to 104 and nonsense beyond.
HWY_INLINE Vector OnePlusExpNeg(Vector x) {
  const Floats d;
  return hn::Add(hn::Set(d, 1.0f), hn::Exp(d, hn::Min(hn::Set(d, 100.0f), hn::Neg(x))));
}

HWY_INLINE Vector SigmoidOf(Vector x) {
  const Vector sigmoid = hn::Div(hn::Set(Floats(), 1.0f), OnePlusExpNeg(x));
  return hn::IfThenElse(hn::IsNaN(x), x, sigmoid);  // which hn::Exp would hide
}

HWY_INLINE Vector SiluOf(Vector x) { return hn::Div(x, OnePlusExpNeg(x)); }

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
