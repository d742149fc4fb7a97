#include "pipeline/language_model.h"

#include <filesystem>
#include <map>
#include <mutex>

#include "pipeline/model.h"

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

}  // namespace rill
