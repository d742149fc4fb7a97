// The properties of lfmsensorparse and what they mean to the parser.
#pragma once

#include <gst/gst.h>

#include <array>
#include <string>

#include "modalities/row_options.h"
#include "operators/core/result.h"

namespace rill {

struct SensorSettings {
  static constexpr size_t kTexts = 9;

  std::array<std::string, kTexts> texts;  // as the user wrote them, in the order of the properties
  RowFormat format = RowFormat::kAuto;
  RowHeader header = RowHeader::kAuto;
  BadRow on_bad_row = BadRow::kSkip;
  Interval interval;
  guint64 longest_gap_ns = 0;
  guint skip_lines = 0;
  RowStats stats;  // as of the last buffer

  // Adds the properties to a class; get and set one by its id.
  static void Install(GObjectClass* klass);
  bool Set(guint id, const GValue* value);
  bool Get(guint id, GValue* value) const;

  // What the parser is to be made with, or which property makes no sense.
  Result<RowOptions> Options() const;
};

}  // namespace rill
