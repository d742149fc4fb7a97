// `rill forecast`: rows of a file or a pipe in, quantile forecasts out.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <limits>

#include <fmt/format.h>

#include "pipeline/clock.h"
#include "pipeline/files.h"
#include "pipeline/session.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/forecast_chart.h"
#include "tools/forecast_text.h"
#include "tools/row_flags.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill forecast ETTh1.csv --columns OT --horizon 48 --plot out.png
  rill forecast plant.csv --time date,hour --at 5000,6000 --format json
  tail -f readings.csv | rill forecast - --every 60 --horizon 12 --format csv
  rill forecast new.csv --resume plant.state --save-state plant.state)";

constexpr size_t kShortestHistory = 48;  // rows in a chart
constexpr int64_t kStepTolerance = 20;   // a step may be off by a 20th: rows jitter

struct ForecastCommand {
  std::string file, model = "sensor-forecast", format = "table", plot, save_state, resume, step;
  size_t horizon = 0, every = 0;
  std::vector<int64_t> at;
  bool json = false;
  std::shared_ptr<RowFlags> rows = std::make_shared<RowFlags>();
};

// The work of one invocation.
class Run {
 public:
  explicit Run(const ForecastCommand& command) : command_(command) {
    at_.assign(command.at.begin(), command.at.end());
    std::sort(at_.begin(), at_.end());
    at_.erase(std::unique(at_.begin(), at_.end()), at_.end());
  }

  Result<void> All();

 private:
  Result<void> OpenSession(size_t channels);
  Result<void> Take(const Row& row);
  Result<Forecast> Ask();
  Result<void> Emit();
  Result<void> End();
  // Whether rows are still needed.
  bool Wanted() const { return command_.at.empty() || !at_.empty() || session_->rows() == 0; }
  bool DrawsOn() const {
    return !command_.plot.empty() && chart_.actual.size() < chart_.forecast.horizon;
  }

  const ForecastCommand& command_;
  RowOptions options_;
  int64_t step_ns_ = 0;  // 0: as the rows come
  std::shared_ptr<const Model> model_;
  std::optional<RowFile> file_;
  std::optional<Session> session_;
  std::deque<int64_t> at_;  // still to come
  std::deque<ChartRow> tail_;
  Chart chart_;
  int64_t emitted_at_ = -1;  // rows seen at the last forecast
  uint64_t refused_ = 0;     // rows that the session did not take
};

Result<void> Run::OpenSession(size_t channels) {
  Result<Session> session = Session::Open(model_, {.channels = channels});
  if (!session) return session.error();
  session_.emplace(std::move(*session));
  if (command_.resume.empty()) return {};
  const Result<std::vector<std::byte>> bytes = ReadFile(command_.resume, kMostSnapshotBytes);
  if (!bytes) return bytes.error();
  if (const Result<void> restored = session_->Restore(*bytes); !restored)
    return Error{command_.resume + ": " + restored.error().message};
  while (!at_.empty() && at_.front() <= session_->rows()) {
    if (at_.front() < session_->rows())
      return Error{fmt::format("--at {} lies before the {} rows that the resumed state has seen",
                               at_.front(), session_->rows())};
    if (Result<void> emitted = Emit(); !emitted) return emitted;
  }
  return {};
}

// Steps of --step are some rows long each; else they are one.
Result<Forecast> Run::Ask() {
  const size_t most = model_->forecast()->horizon();
  size_t rows_a_step = 1;
  if (step_ns_ > 0) {
    Result<Forecast> next = session_->Peek(1);
    if (!next) return next;
    const int64_t row_ns = next->step_ns;
    const int64_t rows = row_ns > 0 ? (step_ns_ + row_ns / 2) / row_ns : 0;
    if (rows == 0 || std::abs(rows * row_ns - step_ns_) > step_ns_ / kStepTolerance)
      return Error{fmt::format("a step of {} s is no multiple of the {} s between rows",
                               static_cast<double>(step_ns_) / kNanosecondsPerSecond,
                               static_cast<double>(row_ns) / kNanosecondsPerSecond)};
    rows_a_step = static_cast<size_t>(rows);
  }
  const size_t steps = command_.horizon > 0 ? command_.horizon : most / rows_a_step;
  if (steps == 0 || steps > most / rows_a_step)
    return Error{
        fmt::format("a horizon of {} steps of {} rows each, the model forecasts 1 to {} "
                    "rows",
                    steps, rows_a_step, most)};
  Result<Forecast> forecast = session_->Peek(steps * rows_a_step);
  if (forecast && step_ns_ > 0) {
    *forecast = Thinned(*forecast, rows_a_step);
    forecast->step_ns = step_ns_;
  }
  return forecast;
}

Result<void> Run::Emit() {
  emitted_at_ = session_->rows();
  if (!at_.empty() && at_.front() == emitted_at_) at_.pop_front();
  Result<Forecast> forecast = Ask();
  if (!forecast) return forecast.error();
  const std::vector<std::string>& columns = file_->columns();
  if (command_.format == "json") PrintJson(*forecast, columns);
  if (command_.format == "table") PrintTable(*forecast, columns);
  if (command_.format == "csv") {
    if (chart_.columns.empty()) PrintCsvHeader(*forecast);
    PrintCsv(*forecast, columns);
  }
  std::fflush(stdout);
  chart_ = {std::move(*forecast), columns, {tail_.begin(), tail_.end()}, {}};
  return {};
}

Result<void> Run::Take(const Row& row) {
  if (const Result<void> taken = session_->Push(row.unix_ns, row.values); !taken) {
    if (options_.on_bad_row == BadRow::kError)
      return Error{
          fmt::format("{}: row {}: {}", file_->name(), file_->stats().rows, taken.error().message)};
    ++refused_;
    return {};
  }
  if (!command_.plot.empty()) {
    const size_t horizon = command_.horizon > 0 ? command_.horizon : model_->forecast()->horizon();
    tail_.push_back({row.unix_ns, row.values});
    if (tail_.size() > std::max(kShortestHistory, 2 * horizon)) tail_.pop_front();
    if (!chart_.columns.empty() && DrawsOn()) chart_.actual.push_back(tail_.back());
  }
  const int64_t seen = session_->rows();
  const int64_t every = static_cast<int64_t>(command_.every);
  const bool due = (!at_.empty() && at_.front() == seen) || (every > 0 && seen % every == 0);
  return due ? Emit() : Result<void>();
}

Result<void> Run::End() {
  if (!session_) return Error{"no row has been seen, so there is nothing to forecast from"};
  const bool at_end = command_.at.empty() && emitted_at_ != session_->rows();
  if (at_end)
    if (Result<void> emitted = Emit(); !emitted) return emitted;
  if (const uint64_t skipped = file_->stats().bad_rows + refused_; skipped > 0)
    Note(fmt::format("{}: {} rows could not be used and were skipped", file_->name(), skipped));
  if (!command_.plot.empty() && !chart_.columns.empty()) {
    if (Result<void> drawn = WriteChart(chart_, command_.plot); !drawn) return drawn;
    if (chart_.columns.size() > kMostPanels)
      Note(fmt::format("the chart shows the first {} of {} columns", kMostPanels,
                       chart_.columns.size()));
  }
  if (!command_.save_state.empty())
    if (Result<void> saved = WriteAtomically(command_.save_state, session_->Save()); !saved)
      return saved;
  if (!at_.empty() && !Interrupted())
    return Error{fmt::format("--at {} lies after the end: {} has {} rows", at_.front(),
                             file_->name(), session_->rows())};
  return {};
}

Result<void> Run::All() {
  Result<RowOptions> options = Settle(*command_.rows);
  if (!options) return options.error();
  options_ = std::move(*options);
  if (!command_.step.empty()) {
    const Result<int64_t> step = ParseDuration(command_.step);
    if (!step) return step.error();
    step_ns_ = *step;
  }
  const Result<std::string> path = FindModel(command_.model);
  if (!path) return path.error();
  Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  if (!model) return model.error();
  model_ = std::move(*model);
  if (model_->forecast() == nullptr)
    return model_->weights().Complain("the model has no forecast head");
  if (command_.horizon > model_->forecast()->horizon())
    return Error{fmt::format("a horizon of {} steps, the model forecasts 1 to {}", command_.horizon,
                             model_->forecast()->horizon())};
  Result<RowFile> file = RowFile::Open(command_.file, options_);
  if (!file) return file.error();
  file_.emplace(std::move(*file));
  {
    Progress progress("reading", file_->file_bytes());
    while (!Interrupted()) {
      const Result<std::optional<Row>> row = file_->Next();
      if (!row) return row.error();
      if (!*row) break;
      progress.Update(file_->stats().bytes);
      if (!session_)
        if (Result<void> opened = OpenSession((*row)->values.size()); !opened) return opened;
      if (!Wanted()) {
        if (!DrawsOn()) break;
        chart_.actual.push_back({(*row)->unix_ns, (*row)->values});
        continue;
      }
      if (Result<void> taken = Take(**row); !taken) return taken;
    }
  }
  return End();
}

}  // namespace

void AddForecast(CLI::App& app, int& code) {
  auto options = std::make_shared<ForecastCommand>();
  CLI::App* command = app.add_subcommand("forecast", "Forecast the columns of a file of rows");
  command->footer(kExamples);
  command->add_option("FILE", options->file, "CSV, NDJSON or line protocol; - is stdin")
      ->required();
  command->add_option("-m,--model", options->model, "Model file or name")->capture_default_str();
  command
      ->add_option("-H,--horizon", options->horizon,
                   "Steps to forecast; by default all that the model has")
      ->check(CLI::Range(1, std::numeric_limits<int>::max()));
  command->add_option("--step", options->step,
                      "Time of a step: 15m, 1h, 1d; by default that between rows");
  command->add_option("--at", options->at, "Rows seen before each forecast; by default all")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("--every", options->every, "A forecast every N rows, and at the end")
      ->check(CLI::PositiveNumber);
  command->add_option("--format", options->format, "table, json (lines) or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "The same as --format json");
  command->add_option("--plot", options->plot, "Draw the last forecast as a chart: out.png");
  command->add_option("--save-state", options->save_state, "Write the stream's state at the end");
  command->add_option("--resume", options->resume, "Go on from a state that was saved");
  AddRowFlags(*command, options->rows);
  command->callback([options, &code] {
    if (options->json) options->format = "json";
    CatchInterrupt();
    const Result<void> done = Run(*options).All();
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill
