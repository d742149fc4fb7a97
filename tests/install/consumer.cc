// consumer MODEL: forecasts a sine and prints the median of the next steps.
#include <pipeline/session.h>
#include <pipeline/transcriber.h>

#include <cmath>
#include <cstdio>

// The headers of transcription are complete, and its library is there.
rill::Result<rill::Transcriber> Open(std::shared_ptr<const rill::Model> model) {
  return rill::Transcriber::Open(std::move(model), {});
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto model = rill::Model::Load(argv[1]);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return 1;
  }
  if (Open(*model)) return 1;  // a model of sensors does not transcribe
  auto session = rill::Session::Open(*model, {.channels = 1, .every = 0, .horizon = 3});
  if (!session) return 1;
  for (int t = 0; t < 200; ++t) {
    const double value = std::sin(0.1 * t);
    if (!session->Push(t * 1'000'000'000LL, {&value, 1})) return 1;
  }
  const auto forecast = session->Peek(3);
  if (!forecast) return 1;
  for (size_t h = 0; h < forecast->horizon; ++h)
    std::printf("%g\n", static_cast<double>(forecast->at(0, h)[forecast->levels.size() / 2]));
  return 0;
}
