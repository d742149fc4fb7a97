#include "modalities/byte_pairs.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>
#include <string>
#include <tuple>

#include "operators/core/text.h"

namespace rill {
namespace {

constexpr std::string_view kMerges = "tokenizer.ggml.merges";
constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
// Order of a queue whose first is the pair of the least rank, the leftmost of these.
constexpr std::greater<> kLater;

// What the letters of a merge's part or result are.
struct Part {
  enum class Kind { kOrdinary, kSpecial, kUnknown } kind = Kind::kUnknown;
  int32_t id = 0;
};

Part PartOf(const Vocabulary& vocabulary, std::string_view bytes) {
  if (bytes.empty()) return {};
  if (const auto id = vocabulary.texts().Find(bytes)) return {Part::Kind::kOrdinary, *id};
  return {vocabulary.specials().Find(bytes) ? Part::Kind::kSpecial : Part::Kind::kUnknown};
}

Error NoMerge(const Weights& weights, size_t rank, std::string_view text, const char* what) {
  return weights.Complain("merge " + std::to_string(rank) + ", \"" + Printable(text) + "\", " +
                          what);
}

}  // namespace

Result<BytePairs> BytePairs::Load(const Weights& weights, const Vocabulary& vocabulary) {
  BytePairs pairs;
  if (const Result<void> read = pairs.Read(weights, vocabulary); !read) return read.error();
  if (const Result<void> sorted = pairs.Sort(weights, vocabulary.size()); !sorted)
    return sorted.error();
  return pairs;
}

Result<void> BytePairs::Read(const Weights& weights, const Vocabulary& vocabulary) {
  const auto merges = ArrayOf(weights, kMerges);
  if (!merges) return merges.error();
  std::string left, right;
  for (size_t rank = 0; rank < (*merges)->size(); ++rank) {
    const auto* text = std::get_if<std::string_view>(&(**merges)[rank]);
    if (text == nullptr)
      return weights.Complain("key " + std::string(kMerges) + " is not an array of strings");
    const size_t blank = std::min(text->find(' '), text->size());
    left.clear(), right.clear();
    if (!AppendSpelled(text->substr(0, blank), left) || blank == text->size() ||
        !AppendSpelled(text->substr(blank + 1), right))
      return NoMerge(weights, rank, *text, "is not two tokens with a blank between them");
    const Part parts[] = {PartOf(vocabulary, left), PartOf(vocabulary, right),
                          PartOf(vocabulary, left + right)};
    const auto any = [&](Part::Kind kind) {
      return std::ranges::find(parts, kind, &Part::kind) != std::end(parts);
    };
    if (any(Part::Kind::kUnknown))
      return NoMerge(weights, rank, *text, "merges or gives what is no token of the vocabulary");
    if (!any(Part::Kind::kSpecial))
      pairs_.push_back({parts[0].id, parts[1].id, parts[2].id, static_cast<uint32_t>(rank)});
  }
  return {};
}

Result<void> BytePairs::Sort(const Weights& weights, size_t tokens) {
  const auto order = [](const Pair& pair) { return std::tie(pair.left, pair.right, pair.rank); };
  std::ranges::sort(pairs_, {}, order);
  const auto twice = std::ranges::adjacent_find(
      pairs_, [](const Pair& a, const Pair& b) { return a.left == b.left && a.right == b.right; });
  if (twice != pairs_.end())
    return weights.Complain("merges " + std::to_string(twice->rank) + " and " +
                            std::to_string((twice + 1)->rank) + " are the same");
  starts_.reserve(tokens + 1);
  uint32_t at = 0;
  for (size_t id = 0; id <= tokens; ++id) {
    while (at < pairs_.size() && static_cast<size_t>(pairs_[at].left) < id) ++at;
    starts_.push_back(at);
  }
  return {};
}

const BytePairs::Pair* BytePairs::Find(int32_t left, int32_t right) const {
  const Pair* first = pairs_.data() + starts_[static_cast<size_t>(left)];
  const Pair* last = pairs_.data() + starts_[static_cast<size_t>(left) + 1];
  const Pair* found = std::lower_bound(
      first, last, right, [](const Pair& pair, int32_t id) { return pair.right < id; });
  return found != last && found->right == right ? found : nullptr;
}

// Queues what the node at `at` and its next one merge to.
void BytePairs::Look(uint32_t at, Work& work) const {
  Node& node = work.nodes[at];
  node.pair = node.next == kNone ? nullptr : Find(node.id, work.nodes[node.next].id);
  if (node.pair != nullptr) work.queue.push_back(uint64_t{node.pair->rank} << 32 | at);
}

void BytePairs::Prepare(std::span<const int32_t> ids, Work& work) const {
  const auto count = static_cast<uint32_t>(ids.size());
  work.nodes.resize(count);
  for (uint32_t i = 0; i < count; ++i)
    work.nodes[i] = {ids[i], i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1, nullptr};
  work.queue.clear();
  for (uint32_t i = 0; i < count; ++i) Look(i, work);
  std::ranges::make_heap(work.queue, kLater);
}

// Merges a node with its next one, and looks at the neighbours that it has then.
void BytePairs::Merge(uint32_t at, Work& work) const {
  auto& [nodes, queue] = work;
  Node& node = nodes[at];
  Node& gone = nodes[node.next];
  node.id = node.pair->result;
  gone.pair = nullptr;
  node.next = gone.next;
  if (node.next != kNone) nodes[node.next].previous = at;
  for (const uint32_t changed : {at, node.previous}) {
    if (changed == kNone) continue;
    const size_t queued = queue.size();
    Look(changed, work);
    if (queue.size() > queued) std::ranges::push_heap(queue, kLater);
  }
}

void BytePairs::Run(std::vector<int32_t>& ids, Work& work) const {
  assert(ids.size() < kNone);
  if (ids.empty()) return;
  Prepare(ids, work);
  auto& [nodes, queue] = work;
  while (!queue.empty()) {
    std::ranges::pop_heap(queue, kLater);
    const uint64_t next = queue.back();
    queue.pop_back();
    const auto at = static_cast<uint32_t>(next);
    const Pair* pair = nodes[at].pair;
    // A node that has changed since has another pair or none.
    if (pair != nullptr && pair->rank == next >> 32) Merge(at, work);
  }
  ids.clear();
  for (uint32_t i = 0; i != kNone; i = nodes[i].next) ids.push_back(nodes[i].id);
}

}  // namespace rill
