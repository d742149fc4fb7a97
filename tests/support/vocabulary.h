// Small byte-level vocabularies for tests, and the GGUF files that hold them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rill::testing {

// A GGUF file of keys alone, each of which can be set again or taken out.
class KeyFile {
 public:
  void Set(const std::string& key, std::string_view text) { values_[key] = Kind(8) + Text(text); }
  void Set(const std::string& key, const char* text) { Set(key, std::string_view(text)); }
  void Set(const std::string& key, uint32_t value) { values_[key] = Kind(4) + Raw(value); }
  void Set(const std::string& key, float value) { values_[key] = Kind(6) + Raw(value); }
  void Set(const std::string& key, bool value) {
    values_[key] = Kind(7) + std::string(1, value ? '\1' : '\0');
  }
  void Set(const std::string& key, const std::vector<std::string>& texts) {
    std::string& value = values_[key] = Kind(9) + Kind(8) + Raw(uint64_t{texts.size()});
    for (const std::string& text : texts) value += Text(text);
  }
  void Set(const std::string& key, const std::vector<int32_t>& numbers) {
    std::string& value = values_[key] = Kind(9) + Kind(5) + Raw(uint64_t{numbers.size()});
    for (const int32_t number : numbers) value += Raw(number);
  }
  void Erase(const std::string& key) { values_.erase(key); }

  std::vector<std::byte> Bytes() const {
    std::string file = "GGUF" + Raw(uint32_t{3}) + Raw(uint64_t{0}) + Raw(uint64_t{values_.size()});
    for (const auto& [key, value] : values_) file += Text(key) + value;
    std::vector<std::byte> bytes(file.size());
    std::memcpy(bytes.data(), file.data(), file.size());
    return bytes;
  }

 private:
  template <typename T>
  static std::string Raw(T value) {
    std::string raw(sizeof value, '\0');
    std::memcpy(raw.data(), &value, sizeof value);
    return raw;
  }
  static std::string Kind(uint32_t kind) { return Raw(kind); }
  static std::string Text(std::string_view text) { return Raw(uint64_t{text.size()}).append(text); }

  std::map<std::string, std::string> values_;
};

// Bytes in the letters of ordinary tokens.
inline std::string Spelled(std::string_view bytes) {
  std::string letters;
  for (const char c : bytes) {
    const int byte = static_cast<unsigned char>(c);
    int letter = byte, moved = 0;
    const auto own = [](int b) { return (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD); };
    for (int other = 0; other < byte; ++other) moved += own(other) ? 0 : 1;
    if (!own(byte)) letter = 0x100 + moved;
    if (letter < 0x80) {
      letters += static_cast<char>(letter);
    } else {
      letters += static_cast<char>(0xC0 | letter >> 6);
      letters += static_cast<char>(0x80 | (letter & 0x3F));
    }
  }
  return letters;
}

// Tokens in the order of their ids. Types as in files: 1 ordinary, 3 control, 4 user-defined.
struct SmallVocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<std::string> merges;

  int32_t Add(std::string token, int32_t type) {
    tokens.push_back(std::move(token));
    types.push_back(type);
    return static_cast<int32_t>(tokens.size()) - 1;
  }
  // All 256, whose ids follow each other.
  void AddBytes() {
    for (int byte = 0; byte < 256; ++byte) Add(Spelled(std::string(1, static_cast<char>(byte))), 1);
  }
  // A pair of tokens that there are, and the token that it gives.
  int32_t AddMerge(std::string_view left, std::string_view right) {
    merges.push_back(Spelled(left) + " " + Spelled(right));
    return Add(Spelled(left) + Spelled(right), 1);
  }
  KeyFile File() const {
    KeyFile file;
    file.Set("general.architecture", "lfm2");
    file.Set("tokenizer.ggml.model", "gpt2");
    file.Set("tokenizer.ggml.pre", "lfm2");
    file.Set("tokenizer.ggml.tokens", tokens);
    file.Set("tokenizer.ggml.token_type", types);
    file.Set("tokenizer.ggml.merges", merges);
    file.Set("tokenizer.ggml.bos_token_id", uint32_t{1});
    file.Set("tokenizer.ggml.eos_token_id", uint32_t{4});
    file.Set("tokenizer.ggml.padding_token_id", uint32_t{0});
    return file;
  }
};

// Control tokens 0 to 4, <think> as 5, bytes from 6 on, and a few pairs from 262 on.
inline SmallVocabulary MakeSmallVocabulary() {
  SmallVocabulary made;
  for (const char* name :
       {"<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"})
    made.Add(name, 3);
  made.Add("<think>", 4);
  made.AddBytes();
  made.AddMerge("l", "l");    // 262
  made.AddMerge("h", "e");    // 263
  made.AddMerge("he", "ll");  // 264
  made.AddMerge("hell", "o");
  made.AddMerge(" ", "w");  // 266
  made.AddMerge("o", "r");
  made.AddMerge("\n", "\n");  // 268
  return made;
}

}  // namespace rill::testing
