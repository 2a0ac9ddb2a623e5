#pragma once

#include "channel/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::ledger {

/// SHA-256 of a leaf or node of the transparency log.
using TreeHash = channel::FixedBytes<struct TreeHashTag, 32>;

TreeHash sha256(channel::BytesView bytes);
/// RFC 6962, 2.1.
TreeHash leaf_hash(channel::BytesView leaf);
TreeHash node_hash(const TreeHash& left, const TreeHash& right);

/// The root of a perfect subtree: of the 2^`level` leaves from `index` · 2^`level` on.
struct TreeNode {
    unsigned level = 0;
    std::uint64_t index = 0;
    friend bool operator==(const TreeNode&, const TreeNode&) = default;
};
using ReadNode = std::function<TreeHash(const TreeNode&)>;

/// The largest perfect subtrees that the leaves [begin, end) can be cut into, from the left.
std::vector<TreeNode> perfect_subtrees(std::uint64_t begin, std::uint64_t end);

/// A tree that grows by leaves at its right edge; holds one hash per bit of its size.
class GrowingTree {
public:
    GrowingTree() = default;
    /// `roots`: those of `perfect_subtrees(0, size)`.
    GrowingTree(std::uint64_t size, std::vector<TreeHash> roots);

    std::uint64_t size() const { return size_; }
    /// `completed` is told of every perfect subtree that the leaf completes, itself first.
    template <class Completed>
    void append(const TreeHash& leaf, Completed completed) {
        TreeNode node{0, size_++};
        TreeHash hash = leaf;
        completed(node, hash);
        for (; node.index & 1; ++node.level, node.index >>= 1) {
            hash = node_hash(roots_.back(), hash);
            roots_.pop_back();
            completed({node.level + 1, node.index >> 1}, hash);
        }
        roots_.push_back(hash);
    }
    void append(const TreeHash& leaf) {
        append(leaf, [](const TreeNode&, const TreeHash&) {});
    }
    /// Appends a perfect subtree of 2^`level` leaves; the size has to be a multiple of that.
    void append_subtree(unsigned level, const TreeHash& root);
    /// Of no leaf: SHA-256 of nothing (RFC 6962, 2.1).
    TreeHash root() const;

private:
    std::uint64_t size_ = 0;
    std::vector<TreeHash> roots_;
};

/// RFC 6962, 2.1.1: for leaf `index` of the first `size`; index < size.
std::vector<TreeHash> inclusion_path(std::uint64_t index, std::uint64_t size, const ReadNode& read);
/// RFC 6962, 2.1.2: 0 < from ≤ to.
std::vector<TreeHash> consistency_path(std::uint64_t from, std::uint64_t to, const ReadNode& read);

/// RFC 9162, 2.1.3.2.
bool verify_inclusion(std::uint64_t index, std::uint64_t size, const TreeHash& leaf,
                      const std::vector<TreeHash>& path, const TreeHash& root);
/// RFC 9162, 2.1.4.2.
bool verify_consistency(std::uint64_t from, std::uint64_t to, const TreeHash& from_root,
                        const TreeHash& to_root, const std::vector<TreeHash>& path);

}  // namespace millrace::ledger
