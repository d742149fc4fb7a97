#include "pipeline/model_instance.h"

#include <map>
#include <mutex>

namespace rill {

Result<std::shared_ptr<const Model>> OpenModel(const std::string& path_or_name,
                                               const std::string& instance,
                                               const Model::Options& options) {
  // Names of the process-wide table of Model::Shared: weak too.
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Model>> instances;
  const std::scoped_lock lock(mutex);
  std::shared_ptr<const Model> named;
  if (!instance.empty()) {
    std::erase_if(instances, [](const auto& entry) { return entry.second.expired(); });
    if (const auto known = instances.find(instance); known != instances.end())
      named = known->second.lock();
  }
  if (named && named->options() != options)
    return Error{"model-instance-id \"" + instance + "\" stands for " + named->weights().name() +
                 " with another precision of keys and values, context, window or sinks"};
  const bool unsaid = path_or_name == kDefaultModel || path_or_name == kDefaultSpeechModel ||
                      path_or_name == kDefaultImageModel || path_or_name == kDefaultTextModel;
  if (named && unsaid) return named;
  const Result<std::string> path = FindModel(path_or_name);
  if (!path) return path.error();
  Result<std::shared_ptr<const Model>> model = Model::Shared(*path, options);
  if (!model || instance.empty()) return model;
  if (named && named != *model)
    return Error{"model-instance-id \"" + instance + "\" stands for " + named->weights().name() +
                 ", not for " + *path};
  instances[instance] = *model;
  return model;
}

}  // namespace rill
