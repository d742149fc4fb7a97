// Exactness: what a stream forecasts depends on its rows alone.
//
// Every forecast of a file read in one piece is compared, bit for bit, with the same file read in
// pieces of other sizes, with the stream stopped and restored half-way, and with the stream as one
// of 64 sessions that step together.
#include <cstring>

#include "pipeline/session.h"
#include "tools/bench.h"
#include "tools/series_table.h"

namespace rill {
namespace {

constexpr size_t kEvery = 25;  // rows between forecasts: no multiple of a frame
constexpr size_t kMostRows = 2'000;
constexpr size_t kSessions = 64;

// The bits of every forecast of a stream, one after another.
using Bits = std::vector<float>;

void Append(std::optional<Forecast> forecast, Bits& bits) {
  if (forecast) bits.insert(bits.end(), forecast->values.begin(), forecast->values.end());
}

bool Same(const Bits& one, const Bits& other) {
  return !one.empty() && one.size() == other.size() &&
         std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

RowOptions Rows() {
  RowOptions rows;
  rows.on_bad_row = BadRow::kError;
  return rows;
}

// The file as it is streamed, in pieces of some bytes; restored from a snapshot after
// `restore_at` rows.
Result<Bits> Streamed(const std::shared_ptr<const Model>& model, const std::string& path,
                      size_t piece_bytes, int64_t restore_at = 0) {
  Result<RowFile> file = RowFile::Open(path, Rows(), piece_bytes);
  if (!file) return file.error();
  std::optional<Session> session;
  Bits bits;
  for (size_t rows = 0; rows < kMostRows; ++rows) {
    const Result<std::optional<Row>> row = file->Next();
    if (!row) return row.error();
    if (!*row) break;
    if (!session) {
      Result<Session> opened =
          Session::Open(model, {.channels = (*row)->values.size(), .every = kEvery});
      if (!opened) return opened.error();
      session.emplace(std::move(*opened));
    }
    if (Result<void> ok = session->Push((*row)->unix_ns, (*row)->values); !ok) return ok.error();
    Append(session->Pull(), bits);
    if (session->rows() == restore_at) {
      const std::vector<std::byte> snapshot = session->Save();
      session->Reset();
      if (Result<void> ok = session->Restore(snapshot); !ok) return ok.error();
    }
  }
  return bits;
}

// The table as one of many sessions; the others see it with other values, each a row behind the
// one before.
Result<Bits> Among(const std::shared_ptr<const Model>& model, const SeriesTable& table) {
  SessionGroup group(model, kSessions);
  std::vector<Session*> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    const Result<Session*> session =
        group.Open({.channels = table.columns.size(), .every = kEvery});
    if (!session) return session.error();
    sessions.push_back(*session);
  }
  const size_t mine = kSessions / 2;
  Bits bits;
  std::vector<double> row;
  for (size_t t = 0; t < table.rows(); ++t) {
    for (size_t i = 0; i < kSessions; ++i) {
      if (t < i && i != mine) continue;
      const size_t from = i == mine ? t : t - i;
      row.assign(table.row(from).begin(), table.row(from).end());
      if (i != mine)
        for (double& value : row) value = value * static_cast<double>(i + 1) + 1;
      if (Result<void> ok = group.Push(*sessions[i], table.unix_ns[from], row); !ok)
        return ok.error();
    }
    if (Result<void> ok = group.Run(); !ok) return ok.error();
    Append(sessions[mine]->Pull(), bits);
  }
  return bits;
}

}  // namespace

Result<BenchReport> BenchEquality(const BenchOptions& options) {
  const Result<std::shared_ptr<const Model>> model = BenchModel(options, 1);
  if (!model) return model.error();
  std::string path = options.file;
  if (path.empty()) {
    const Result<std::string> found = BenchData(options, "series/ETT/ETTh1.csv");
    if (!found) return found.error();
    path = *found;
  }
  const Result<SeriesTable> table = ReadSeries(path, Rows(), kMostRows);
  if (!table) return table.error();
  const Result<Bits> whole = Streamed(*model, path, size_t{1} << 26);
  if (!whole) return whole.error();
  if (whole->empty())
    return Error{path + ": has " + std::to_string(table->rows()) + " rows, the check needs " +
                 std::to_string(kEvery)};

  BenchReport report{{}, TextTable({"compared with the whole file", "identical"}), true};
  report.json = {{"task", "equality"},
                 {"model", (*model)->name()},
                 {"fingerprint", (*model)->space()},
                 {"rows", table->rows()},
                 {"forecasts", table->rows() / kEvery},
                 {"values", whole->size()}};
  std::optional<Error> failed;
  const auto compare = [&](const std::string& name, const Result<Bits>& bits) {
    if (!bits) {
      failed = bits.error();
      return;
    }
    const bool identical = Same(*whole, *bits);
    report.json["cases"].push_back({{"case", name}, {"identical", identical}});
    report.table.Add({name, identical ? "true" : "false"});
    report.passed = report.passed && identical;
  };
  for (const size_t bytes : {size_t{1}, size_t{7}, size_t{100}, size_t{4096}})
    compare("pieces of " + std::to_string(bytes) + " bytes", Streamed(*model, path, bytes));
  for (const int64_t rows : {int64_t{1}, int64_t{101}, static_cast<int64_t>(table->rows() / 2)})
    compare("restored after " + std::to_string(rows) + " rows",
            Streamed(*model, path, RowFile::kPieceBytes, rows));
  compare("among " + std::to_string(kSessions) + " sessions", Among(*model, *table));
  if (failed) return *failed;
  report.json["identical"] = report.passed;
  return report;
}

}  // namespace rill
