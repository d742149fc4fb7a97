// A frame of the CTC decoders with 128 pieces: where a sentence is spelled clearly, where half of
// its pieces have a rival, and where all pieces are about as likely, which is the worst case. With
// models/speech-en.lm where it is installed, else with the tiny model of the tests.
#include <algorithm>
#include <cmath>

#include <benchmark/benchmark.h>

#include "modalities/ctc_beam.h"
#include "tests/modalities/ctc_frames.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

constexpr size_t kPieces = 128;
constexpr std::string_view kText =
    " there is nothing so likely to produce peace as to be well prepared to meet the enemy and the"
    " people of the united states know that we shall have to pay for it one day or another";

enum Frames { kClear, kRivals, kUniform };

std::shared_ptr<const CtcPieces> MakePieces() {
  std::vector<std::string> pieces = {"", "'"};
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    pieces.emplace_back(1, letter);
    pieces.push_back(std::string(" ") + letter);
  }
  const auto add = [&](const std::string& piece) {
    if (pieces.size() < kPieces && std::find(pieces.begin(), pieces.end(), piece) == pieces.end())
      pieces.push_back(piece);
  };
  for (size_t i = 0; i + 1 < kText.size(); ++i)
    if (kText[i + 1] != ' ') add(std::string(kText.substr(i, 2)));
  for (char first = 'a'; first <= 'z'; ++first)
    for (const char second : {'y', 'z'}) add({first, second});
  return Pieces(pieces);
}

std::shared_ptr<const NgramLm> Model() {
  static const auto model = [] {
    auto found = NgramLm::Open(RILL_SOURCE_DIR "/models/speech-en.lm");
    return found ? *found : *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.lm");
  }();
  return model;
}

// A piece every fourth frame, blanks between.
CtcFrames MakeFrames(const CtcPieces& pieces, Frames kind) {
  Random random(1);
  CtcFrames frames;
  for (size_t at = 0; at < kText.size();) {
    size_t best = 0;
    for (size_t i = 1; i < pieces.size(); ++i)
      if (kText.substr(at).starts_with(pieces.Piece(i)) &&
          pieces.Piece(i).size() > pieces.Piece(best).size())
        best = i;
    at += pieces.Piece(best).size();
    for (size_t t = 0; t < 4; ++t) {
      std::vector<float>& frame = frames.emplace_back(random.Floats(kPieces, -1, 1));
      if (kind == kUniform) continue;
      frame[t == 1 ? best : 0] += 12;
      if (kind == kRivals && t < 3)
        for (int i = 0; i < 6; ++i)
          frame[i == 0 ? best : random.Below(kPieces)] += static_cast<float>(random.Uniform(7, 12));
    }
  }
  for (std::vector<float>& frame : frames) {
    double sum = 0;
    for (const float value : frame) sum += std::exp(static_cast<double>(value));
    for (float& value : frame) value -= static_cast<float>(std::log(sum));
  }
  return frames;
}

void RunFrames(benchmark::State& state, CtcDecoder& decoder, const CtcFrames& frames) {
  int64_t frame = 0;
  size_t words = 0;
  const size_t before = Allocations();
  for (auto _ : state) {
    decoder.Step(frames[static_cast<size_t>(frame) % frames.size()], frame);
    ++frame;
    if (frame % 10 == 0) words += decoder.TakeFinal().size();
  }
  state.counters["allocations"] = benchmark::Counter(static_cast<double>(Allocations() - before),
                                                     benchmark::Counter::kAvgIterations);
  state.counters["words"] =
      benchmark::Counter(static_cast<double>(words), benchmark::Counter::kAvgIterations);
  state.counters["state_bytes"] = static_cast<double>(decoder.Save().size());
}

void GreedyStep(benchmark::State& state) {
  const auto pieces = MakePieces();
  RunFrames(state, *MakeGreedyDecoder(pieces, 0), MakeFrames(*pieces, kRivals));
}
BENCHMARK(GreedyStep);

void BeamStep(benchmark::State& state) {
  const auto pieces = MakePieces();
  CtcBeamOptions options;
  options.beam = static_cast<size_t>(state.range(0));
  options.hotwords = {{"united states", 4}, {"prepared", 3}};
  const auto decoder = std::move(*MakeBeamDecoder(pieces, Model(), options));
  RunFrames(state, *decoder, MakeFrames(*pieces, static_cast<Frames>(state.range(1))));
}
BENCHMARK(BeamStep)
    ->ArgNames({"beam", "frames"})
    ->ArgsProduct({{4, 16, 64}, {kClear, kRivals, kUniform}});

}  // namespace
}  // namespace rill::testing
