// Lexicons of any text, and states of transcribed streams that are damaged with a right checksum;
// only crashes and sanitizers can fail here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tests/fuzz/snapshot_fuzz.h"

namespace rill::testing {

// Reads the text as a lexicon and looks at every word; true when it is one.
bool FuzzLexicon(std::string_view text);
// Restores the edited snapshot of a stream that has heard something, and goes on with what is
// accepted; true when it was. `decoder`, modulo 3: greedy, over pieces, over phones.
bool FuzzTranscript(uint8_t decoder, std::span<const SnapshotEdit> edits);
// Bytes of a part of that snapshot; 0 behind the last part.
size_t TranscriptPartBytes(uint8_t decoder, size_t part);
// The bytes as one or the other.
void FuzzSpeech(std::span<const std::byte> bytes);

}  // namespace rill::testing
