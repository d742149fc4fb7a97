#include "operators/core/target.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/core/target.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

const char* NameOfTarget() { return hwy::TargetName(HWY_TARGET); }

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(NameOfTarget);

namespace {

struct Named {
  std::string_view name;
  int64_t targets;
};

constexpr Named kTargets[] = {
    {"scalar", HWY_SCALAR | HWY_EMU128}, {"sse4", HWY_SSE4}, {"avx2", HWY_AVX2},
    {"avx3", HWY_AVX3 | HWY_AVX3_DL},    {"neon", HWY_NEON},
};

// Runs before the first dispatch because it initialises a static of the library.
Result<void> Force() {
  const char* wanted = std::getenv("RILL_TARGET");
  if (wanted == nullptr || *wanted == '\0') return {};
  for (const Named& named : kTargets) {
    if (named.name != wanted) continue;
    const int64_t have = hwy::SupportedTargets() | HWY_SCALAR | HWY_EMU128;
    if ((have & named.targets) == 0)
      return Error{"RILL_TARGET is " + std::string(wanted) + ", which this CPU does not have"};
    hwy::DisableTargets(~named.targets);
    // In Highway 1.0.3 SupportedTargets() dispatches to the best target, disabled or not, until its
    // caller chooses again: chosen here, before there are threads, and nothing asks later.
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return {};
  }
  return Error{"RILL_TARGET is \"" + std::string(wanted) +
               "\", it must be scalar, sse4, avx2, avx3 or neon"};
}

const Result<void> kForced = Force();

}  // namespace

Result<void> CheckTarget() { return kForced; }

std::string TargetName() { return HWY_DYNAMIC_DISPATCH(NameOfTarget)(); }

}  // namespace rill
#endif
