// Any text to a tokenizer, tokenizers of any tokens and merges, and files of them that are damaged;
// traps where a text does not come back, or where plain text gives a control token.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace rill::testing {

// Encodes the text with the golden tokenizer, whole and as a message of a conversation, and decodes
// the ids at once and as a stream.
void FuzzText(std::string_view text);
// Lines: T, C, U and X with an ordinary, control, user-defined or unused token behind the letter, M
// with a merge, E with a text to encode. True where these make a tokenizer.
bool FuzzVocabulary(std::string_view lines);
// A model file. True where it holds a tokenizer.
bool FuzzTokenizerFile(std::span<const std::byte> bytes);
// The bytes as one of these, by the first.
void FuzzTokenizer(std::span<const std::byte> bytes);

}  // namespace rill::testing
