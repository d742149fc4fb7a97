#include "plugins/tensor_caps.h"

#include <charconv>
#include <limits>
#include <string_view>

namespace rill {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;  // of one buffer; beyond it a caps string is a slip

const char* StringField(const GstStructure* fields, const char* name) {
  const char* text = gst_structure_get_string(fields, name);
  return text == nullptr ? "" : text;
}

Result<TensorElement> ParseType(std::string_view text) {
  if (text == "float32") return TensorElement::kFloat32;
  if (text == "float64") return TensorElement::kFloat64;
  return Error{"tensor type \"" + std::string(text) + "\" is neither float32 nor float64"};
}

// "64:4", "64:4:1:1" and longer ones that end in 1s.
Result<std::array<uint32_t, 4>> ParseDimensions(std::string_view text) {
  const Error refused{"tensor dimensions \"" + std::string(text) +
                      "\" are not up to 4 positive numbers"};
  std::array<uint32_t, 4> dimensions = {1, 1, 1, 1};
  const char* at = text.data();
  const char* const end = at + text.size();
  size_t bytes = sizeof(double);
  for (size_t i = 0;; ++i) {
    uint32_t n = 0;
    const auto [after, failure] = std::from_chars(at, end, n);
    if (failure != std::errc() || n == 0 || (i >= dimensions.size() && n != 1)) return refused;
    if (n > kMostBytes / bytes)
      return Error{"a tensor of dimensions " + std::string(text) + " does not fit in " +
                   std::to_string(kMostBytes) + " bytes"};
    bytes *= n;
    if (i < dimensions.size()) dimensions[i] = n;
    if (after == end) return dimensions;
    if (*after != ':') return refused;
    at = after + 1;
  }
}

Result<std::vector<std::string>> ParseColumns(const GValue* value, size_t count) {
  std::vector<std::string> columns;
  if (value == nullptr) return columns;
  if (!GST_VALUE_HOLDS_ARRAY(value)) return Error{"caps field lfm-columns is not an array"};
  const guint n = gst_value_array_get_size(value);
  if (n != count)
    return Error{"caps field lfm-columns has " + std::to_string(n) + " names for " +
                 std::to_string(count) + " channels"};
  columns.reserve(n);
  for (guint i = 0; i < n; ++i) {
    const GValue* name = gst_value_array_get_value(value, i);
    if (!G_VALUE_HOLDS_STRING(name) || g_value_get_string(name) == nullptr)
      return Error{"caps field lfm-columns holds something that is not a string"};
    columns.emplace_back(g_value_get_string(name));
  }
  return columns;
}

void SetString(GstCaps* caps, const char* field, const std::string& text) {
  if (!text.empty()) gst_caps_set_simple(caps, field, G_TYPE_STRING, text.c_str(), nullptr);
}

void SetColumns(GstCaps* caps, const std::vector<std::string>& columns) {
  if (columns.empty()) return;
  GValue names = G_VALUE_INIT;
  gst_value_array_init(&names, static_cast<guint>(columns.size()));
  for (const std::string& column : columns) {
    GValue name = G_VALUE_INIT;
    g_value_init(&name, G_TYPE_STRING);
    g_value_set_string(&name, column.c_str());
    gst_value_array_append_and_take_value(&names, &name);
  }
  gst_structure_take_value(gst_caps_get_structure(caps, 0), "lfm-columns", &names);
}

}  // namespace

size_t TensorCaps::Channels() const {
  if (lfm_space.empty()) return dimensions[0];
  constexpr std::string_view kForecast = "/forecast";
  const bool forecast =
      lfm_space.size() > kForecast.size() &&
      lfm_space.compare(lfm_space.size() - kForecast.size(), kForecast.size(), kForecast) == 0;
  return dimensions[forecast ? 2 : 1];
}

size_t TensorCaps::Elements() const {
  size_t n = 1;
  for (const uint32_t dimension : dimensions) n *= dimension;
  return n;
}

size_t TensorCaps::Bytes() const {
  return Elements() * (type == TensorElement::kFloat32 ? sizeof(float) : sizeof(double));
}

GstCaps* ToGstCaps(const TensorCaps& tensor) {
  std::string dimensions;
  for (const uint32_t n : tensor.dimensions)
    dimensions += (dimensions.empty() ? "" : ":") + std::to_string(n);
  GstCaps* caps = gst_caps_new_simple(
      "other/tensors", "format", G_TYPE_STRING, "static", "num_tensors", G_TYPE_INT, 1, "types",
      G_TYPE_STRING, tensor.type == TensorElement::kFloat32 ? "float32" : "float64", "dimensions",
      G_TYPE_STRING, dimensions.c_str(), "framerate", GST_TYPE_FRACTION, tensor.framerate_numerator,
      tensor.framerate_denominator, nullptr);
  SetString(caps, "lfm-space", tensor.lfm_space);
  SetString(caps, "modality", tensor.modality);
  SetColumns(caps, tensor.columns);
  return caps;
}

Result<TensorCaps> ParseTensorCaps(const GstCaps* caps) {
  if (caps == nullptr || !gst_caps_is_fixed(caps)) return Error{"tensor caps are not fixed"};
  const GstStructure* fields = gst_caps_get_structure(caps, 0);
  const bool plural = gst_structure_has_name(fields, "other/tensors");
  if (!plural && !gst_structure_has_name(fields, "other/tensor"))
    return Error{std::string("caps ") + gst_structure_get_name(fields) +
                 " are neither other/tensors nor other/tensor"};
  if (plural) {
    const std::string_view format = StringField(fields, "format");
    if (!format.empty() && format != "static")
      return Error{"tensor format \"" + std::string(format) + "\" is not static"};
    int count = 1;
    gst_structure_get_int(fields, "num_tensors", &count);
    if (count != 1)
      return Error{"a buffer of " + std::to_string(count) + " tensors was offered, not of 1"};
  }
  TensorCaps tensor;
  const auto type = ParseType(StringField(fields, plural ? "types" : "type"));
  if (!type) return type.error();
  tensor.type = *type;
  const auto dimensions = ParseDimensions(StringField(fields, plural ? "dimensions" : "dimension"));
  if (!dimensions) return dimensions.error();
  tensor.dimensions = *dimensions;
  gst_structure_get_fraction(fields, "framerate", &tensor.framerate_numerator,
                             &tensor.framerate_denominator);
  tensor.lfm_space = StringField(fields, "lfm-space");
  tensor.modality = StringField(fields, "modality");
  const auto columns =
      ParseColumns(gst_structure_get_value(fields, "lfm-columns"), tensor.Channels());
  if (!columns) return columns.error();
  tensor.columns = *columns;
  return tensor;
}

}  // namespace rill
