#include "pipeline/language_model.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

namespace rill {

Result<std::shared_ptr<const NgramLm>> OpenLanguageModel(const std::string& path_or_name) {
  // The one process-wide table: weak, so that the last user of a model frees it.
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const NgramLm>> models;
  const Result<std::string> path = FindModel(path_or_name);
  if (!path) return path.error();
  std::error_code ignored;
  const std::string key = std::filesystem::weakly_canonical(*path, ignored).string();
  const std::scoped_lock lock(mutex);
  std::weak_ptr<const NgramLm>& known = models[key];
  if (std::shared_ptr<const NgramLm> model = known.lock()) return model;
  Result<std::shared_ptr<const NgramLm>> loaded = NgramLm::Open(*path);
  if (loaded) known = *loaded;
  return loaded;
}

namespace {

// The additions of a user, which are few.
Result<std::string> ReadText(const std::string& path) {
  constexpr size_t kMostBytes = size_t{1} << 26;
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!std::filesystem::is_regular_file(path, error) || !file)
    return Error{path + ": cannot read pronunciations: it is no readable file"};
  const uintmax_t count = std::filesystem::file_size(path, error);
  if (error || count > kMostBytes)
    return Error{path + ": has " + std::to_string(count) + " bytes of pronunciations, at most " +
                 std::to_string(kMostBytes) + " are read"};
  std::string text(static_cast<size_t>(count), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(count)))
    return Error{path + ": cannot read " + std::to_string(count) + " bytes"};
  return text;
}

}  // namespace

Result<std::shared_ptr<const Lexicon>> OpenLexicon(const Model& model, const std::string& path) {
  if (model.transcribe() == nullptr || model.transcribe()->phones().empty())
    return model.weights().Complain("the model has no phones for a lexicon");
  std::string more;
  if (!path.empty()) {
    Result<std::string> read = ReadText(path);
    if (!read) return read.error();
    more = std::move(*read);
  }
  // Weak, so that the last user of a lexicon frees it.
  static std::mutex mutex;
  static std::map<std::pair<uint64_t, std::string>, std::weak_ptr<const Lexicon>> lexicons;
  const std::scoped_lock lock(mutex);
  std::weak_ptr<const Lexicon>& known = lexicons[{model.fingerprint(), more}];
  if (std::shared_ptr<const Lexicon> lexicon = known.lock()) return lexicon;
  const Lexicon::Source sources[] = {
      {model.transcribe()->pronunciations(), "the model's pronunciations"}, {more, path}};
  Result<std::shared_ptr<const Lexicon>> made =
      Lexicon::Make(model.transcribe()->phones(), sources);
  if (made) known = *made;
  return made;
}

}  // namespace rill
