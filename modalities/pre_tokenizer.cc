#include "modalities/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <limits>
#include <string>

#include "modalities/utf8_stream.h"

namespace rill {
namespace {

// Blanks in it say nothing. White space is written out: PCRE2's \s also holds U+180E, which is none
// since Unicode 6.3. So are letters of both cases: where case is ignored, s is also U+017F.
constexpr std::string_view kAlternatives = R"((?:
  '(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])
| [^\r\n\p{L}\p{N}]?\p{L}+
| \p{N}{1,3}
| \x20?[^\t-\r\x{85}\p{Z}\p{L}\p{N}]+[\r\n]*
| [\t-\r\x{85}\p{Z}]*[\r\n]
| [\t-\r\x{85}\p{Z}]+(?![^\t-\r\x{85}\p{Z}])
| [\t-\r\x{85}\p{Z}]
))";

Error Failure(const char* what, int code) {
  std::array<PCRE2_UCHAR, 256> reason{};
  pcre2_get_error_message(code, reason.data(), reason.size());
  return Error{std::string("the expression that splits text ") + what + ": " +
               reinterpret_cast<const char*>(reason.data()) + " (PCRE2 code " +
               std::to_string(code) + ")"};
}

// The text's front that is UTF-8.
std::string_view WellFormed(std::string_view text) {
  size_t count = 0;
  while (count < text.size()) {
    const Utf8Front front = ReadUtf8(text.substr(count));
    if (front.kind != Utf8Front::Kind::kWhole) break;
    count += front.bytes;
  }
  return text.substr(0, count);
}

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

}  // namespace

struct PreTokenizer::Expression {
  Expression() = default;
  ~Expression() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
};

Result<PreTokenizer> PreTokenizer::Make(Matching matching) {
  const auto expression = std::make_shared<Expression>();
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_EXTENDED;
  int code = 0;
  PCRE2_SIZE at = 0;
  expression->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kAlternatives.data()),
                                   kAlternatives.size(), kOptions, &code, &at, nullptr);
  if (expression->code == nullptr) return Failure("does not compile", code);
  expression->limits = pcre2_match_context_create(nullptr);
  if (expression->limits == nullptr) return Failure("has no memory", PCRE2_ERROR_NOMEMORY);
  // A blank is tried against the last line end once for each one of a run of blanks: more often
  // than the limit's default of 10,000,000 in a long run. Neither tries nor memory grow otherwise.
  pcre2_set_match_limit(expression->limits, std::numeric_limits<uint32_t>::max());
  // Where this fails the expression is interpreted, with the same pieces.
  if (matching == Matching::kCompiled) pcre2_jit_compile(expression->code, PCRE2_JIT_COMPLETE);
  return PreTokenizer(expression);
}

Result<void> PreTokenizer::Split(std::string_view text,
                                 const std::function<void(std::string_view)>& take) const {
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(1, nullptr));
  if (match == nullptr) return Failure("has no memory", PCRE2_ERROR_NOMEMORY);
  while (!text.empty()) {
    const std::string_view run = WellFormed(text);
    for (size_t at = 0; at < run.size();) {
      const int code =
          pcre2_match(expression_->code, reinterpret_cast<PCRE2_SPTR>(run.data()), run.size(), at,
                      PCRE2_NO_UTF_CHECK, match.get(), expression_->limits);
      if (code < 0) return Failure("failed", code);
      const size_t end = pcre2_get_ovector_pointer(match.get())[1];
      take(run.substr(at, end - at));
      at = end;
    }
    text.remove_prefix(run.size());
    for (size_t left = text.empty() ? 0 : ReadUtf8(text).bytes; left > 0; --left) {
      take(text.substr(0, 1));
      text.remove_prefix(1);
    }
  }
  return {};
}

}  // namespace rill
