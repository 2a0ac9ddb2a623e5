#include "ledger/audit/verify/tree_check.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

std::string leaves_between(std::uint64_t good, std::uint64_t size) {
    return "numbers " + std::to_string(good + 1) + " to " + std::to_string(size);
}

std::vector<TreeHash> hashes_of(const Fields& line, std::string_view name) {
    std::vector<TreeHash> hashes;
    const auto* list = line.members().if_contains(name);
    if (!list || !list->is_array()) line.malformed(name);
    for (const auto& item : list->get_array()) {
        const auto hash = item.is_string()
                              ? channel::parse_fixed<TreeHash>(std::string_view(item.get_string()))
                              : channel::Result<TreeHash>(channel::Error::not_hex);
        if (!hash) line.malformed(name);
        hashes.push_back(*hash);
    }
    return hashes;
}

}  // namespace

TreeCheck::TreeCheck(std::uint64_t from, std::optional<NoteKey> key, std::vector<KnownHead> known)
    : begin_(from - 1), end_(from - 1), key_(std::move(key)) {
    for (auto& head : known) known_.push_back({std::move(head), {}});
}

void TreeCheck::append(std::uint64_t seq, const std::optional<TreeHash>& leaf) {
    if (!leaf) {
        is_sealed_ = false;
        return;
    }
    if (!is_sealed_)
        broken("tree", "log_tile", std::to_string(seq - 1), "the log has no leaf for it", seq - 1);
    Node node{{0, end_++}, *leaf};
    while ((node.place.index & 1) && !nodes_.empty() &&
           nodes_.back().place == TreeNode{node.place.level, node.place.index - 1}) {
        node.hash = node_hash(nodes_.back().hash, node.hash);
        node.place = {node.place.level + 1, node.place.index >> 1};
        nodes_.pop_back();
    }
    nodes_.push_back(node);
    for (auto& known : known_)
        if (known.head.size == end_) known.nodes = nodes_;
}

TreeHash TreeCheck::root_of(const std::vector<TreeHash>& left, const std::vector<Node>& nodes,
                            const std::vector<TreeHash>& right, std::uint64_t size) const {
    GrowingTree tree;
    const auto add = [&](std::uint64_t begin, std::uint64_t end,
                         const std::vector<TreeHash>& hashes) {
        const auto places = perfect_subtrees(begin, end);
        if (places.size() != hashes.size())
            broken("tree", "log_tile", "", "the proof has not as many hashes as it needs");
        for (std::size_t at = 0; at < places.size(); ++at)
            tree.append_subtree(places[at].level, hashes[at]);
    };
    add(0, std::min(begin_, size), left);
    for (const auto& node : nodes) tree.append_subtree(node.place.level, node.hash);
    add(tree.size(), std::max(tree.size(), size), right);
    return tree.root();
}

void TreeCheck::check_note(std::uint64_t size, const TreeHash& root, const std::string& note) {
    const auto fail = [&](const std::string& what) {
        broken("head_signature", "log_checkpoint", std::to_string(size), what, size);
    };
    auto text =
        key_ ? open_note(note, *key_) : std::optional(note.substr(0, note.rfind("\n\n") + 1));
    if (!text) fail("it is not signed by " + key_->name);
    const auto head = TreeHead::parse(*text);
    if (!head || head->size != size || head->root != root || (key_ && head->origin != key_->name))
        fail("its note says something else");
    previous_ = head->previous;
}

void TreeCheck::check_root(std::uint64_t size, const TreeHash& told, const TreeHash& found) {
    if (told != found)
        broken(
            "tree", "log_tile", leaves_between(last_good_, size),
            "the tree of their leaves has not the root of the head of size " + std::to_string(size),
            last_good_ + 1);
    last_good_ = size;
}

void TreeCheck::take_checkpoint(const Fields& line) {
    const auto size = line.number("size");
    const auto root = line.fixed<TreeHash>("root");
    if (size != end_ || !is_sealed_)
        broken("tree", "log_checkpoint", std::to_string(size),
               "the log has fewer leaves than the head says", size);
    if (size <= last_head_ && heads_ != 0)
        broken("tree", "log_checkpoint", std::to_string(size), "heads do not grow", size);
    check_note(size, root, std::string(line.text("note")));
    if (previous_ != last_head_ && (begin_ == 0 || heads_ != 0))
        broken("tree", "log_checkpoint", std::to_string(previous_.value_or(0)),
               "the head before the one of size " + std::to_string(size) + " is not here", size);
    last_head_ = size;
    ++heads_;
    roots_.emplace_back(size, root);
    if (begin_ == 0)
        check_root(size, root, root_of({}, nodes_, {}, size));
    else
        waiting_.push_back({size, root, nodes_});
}

void TreeCheck::take_proof(const Fields& line) {
    const auto size = line.number("size");
    const auto root = line.fixed<TreeHash>("root");
    const auto left = hashes_of(line, "left");
    const auto right = hashes_of(line, "right");
    if (size > 0) check_note(size, root, std::string(line.text("note")));
    for (const auto& head : waiting_)
        check_root(head.size, head.root, root_of(left, head.nodes, {}, head.size));
    if (size < end_ && !nodes_.empty())
        broken("tree", "log_checkpoint", leaves_between(std::max(begin_, size), end_),
               "the log goes up to " + std::to_string(end_) + ", and its newest head to " +
                   std::to_string(size),
               std::max(begin_, size) + 1);
    if (size > 0) {
        check_root(size, root, root_of(left, nodes_, right, size));
        if (begin_ == 0 && size <= end_ && last_head_ != size)
            broken("tree", "log_checkpoint", std::to_string(size), "the newest head is not here",
                   size);
        if (roots_.empty() || roots_.back().first != size) roots_.emplace_back(size, root);
    }
    for (const auto& known : known_) check_known(known, {size, root, {}}, left);
}

/// A head from elsewhere has to be on the way that `left` and the leaves lead to the newest one.
void TreeCheck::check_known(const Known& known, const KnownHead& newest,
                            const std::vector<TreeHash>& left) {
    const auto& head = known.head;
    const auto size = head.size;
    if (size > newest.size)
        broken("tree", "log_checkpoint", std::to_string(size),
               "the log is shorter than a head that was signed: " + head.source, newest.size);
    std::optional<TreeHash> found;
    if (size == newest.size)
        found = newest.root;
    else if (size == begin_)
        found = root_of(left, {}, {}, size);
    else if (size > begin_ && size <= end_)
        found = root_of(left, known.nodes, {}, size);
    if (!found)
        unchecked_.push_back(head.source);
    else if (*found != head.root)
        broken("tree", "log_tile", leaves_between(0, size),
               "the tree of their leaves is not the one that was signed: " + head.source, size);
}

std::optional<TreeHash> TreeCheck::root_at(std::uint64_t size) const {
    const auto found = std::lower_bound(
        roots_.begin(), roots_.end(), size,
        [](const auto& head, std::uint64_t wanted) { return head.first < wanted; });
    if (found == roots_.end() || found->first != size) return std::nullopt;
    return found->second;
}

}  // namespace millrace::ledger
