#include "modalities/hotwords.h"

#include <algorithm>
#include <utility>

#include "modalities/ctc_word.h"
#include "operators/core/state.h"
#include "operators/core/text.h"

namespace rill {

Result<Hotwords> Hotwords::Make(std::span<const Hotword> phrases) {
  constexpr size_t kMostLetters = 1 << 16;
  constexpr float kMostBoost = 100;
  std::vector<Node> nodes(1);
  size_t letters = 0;
  for (const Hotword& phrase : phrases) {
    const std::string label = "hotword \"" + Printable(phrase.text) + "\"";
    const std::string text = " " + phrase.text + " ";
    bool sound = text.size() > 2 && text.find("  ") == text.npos;
    for (const char c : text) sound &= c == ' ' || IsLetter(c);
    if (!sound) return Error{label + " is not words of a-z and apostrophes, one space apart"};
    if (!(phrase.boost > 0 && phrase.boost <= kMostBoost))
      return Error{label + " has a boost of " + std::to_string(phrase.boost) +
                   ", it must be above 0 and at most 100"};
    letters += text.size();
    if (letters > kMostLetters)
      return Error{"hotwords of more than " + std::to_string(kMostLetters) + " letters"};
    uint32_t at = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      uint32_t next = nodes[at].children[Symbol(text[i])];
      if (next == 0) {
        next = static_cast<uint32_t>(nodes.size());
        nodes[at].children[Symbol(text[i])] = next;
        nodes.emplace_back().depth = static_cast<uint32_t>(i + 1);
      }
      at = next;
      // The space before every word tells nothing yet.
      const float share = static_cast<float>(i) / static_cast<float>(text.size() - 1);
      nodes[at].credit = std::max(nodes[at].credit, phrase.boost * share);
    }
    nodes[at].kept = std::max(nodes[at].kept, phrase.boost);
  }
  return Hotwords(nodes);
}

Hotwords::Hotwords(const std::vector<Node>& trie) : fingerprint_(Hash({})) {
  std::vector<Node> nodes = trie;
  moves_.resize(nodes.size());
  settle_.resize(nodes.size());
  // Nodes by depth, so that what a match falls back to is ready before it.
  std::vector<uint32_t> queue = {0}, fallback(nodes.size(), 0);
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t at = queue[i], back = fallback[at];
    const Node& node = nodes[at];
    const float fail = at == 0 ? 0 : node.kept - node.credit + nodes[back].credit;
    settle_[at] = at == 0 ? 0 : fail + settle_[back];
    for (size_t s = 0; s < kSymbols; ++s) {
      const uint32_t child = node.children[s];
      if (child == 0) {
        if (at > 0) moves_[at][s] = {moves_[back][s].node, fail + moves_[back][s].credit};
        continue;
      }
      nodes[child].kept = std::max(nodes[child].kept, node.kept);
      nodes[child].credit = std::max(nodes[child].credit, nodes[child].kept);
      fallback[child] = at == 0 ? 0 : moves_[back][s].node;
      queue.push_back(child);
      moves_[at][s] = {child, nodes[child].credit - node.credit};
    }
  }
  for (const Node& node : nodes) depth_.push_back(node.depth);
  for (const auto& row : moves_)
    for (const Move& move : row) {
      most_credit_ = std::max(most_credit_, move.credit);
      fingerprint_ = Hash(std::as_bytes(std::span(&move.node, 1)), fingerprint_);
      fingerprint_ = Hash(std::as_bytes(std::span(&move.credit, 1)), fingerprint_);
    }
}

std::vector<Hotword> ParseHotwords(std::string_view list, float boost) {
  std::vector<Hotword> phrases;
  while (!list.empty()) {
    const std::string_view phrase = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), phrase.size() + 1));
    std::string text;
    bool space = false;
    for (const char c : phrase) {
      if (c == ' ' || c == '\t') {
        space = !text.empty();
        continue;
      }
      if (std::exchange(space, false)) text += ' ';
      text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (!text.empty()) phrases.push_back({text, boost});
  }
  return phrases;
}

}  // namespace rill
