#include "ledger/proof/tree.hpp"

#include <openssl/evp.h>

#include <bit>
#include <memory>
#include <stdexcept>

namespace millrace::ledger {
namespace {

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// Fetched once: looking the algorithm up costs more than a node's hash.
const EVP_MD* algorithm() {
    static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return fetched;
}

TreeHash hash_of(std::initializer_list<channel::BytesView> parts) {
    thread_local const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
    TreeHash hash;
    bool good = EVP_DigestInit_ex2(context.get(), algorithm(), nullptr) == 1;
    for (const auto& part : parts)
        good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    if (!good || EVP_DigestFinal_ex(context.get(), hash.bytes.data(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return hash;
}

constexpr std::uint8_t kLeaf = 0;
constexpr std::uint8_t kNode = 1;

/// The greatest power of two below `size`, as RFC 6962 cuts a tree; size > 1.
std::uint64_t left_part(std::uint64_t size) {
    return std::uint64_t{1} << (63 - std::countl_zero(size - 1));
}

/// The root over leaves [begin, end) of which `begin` is a multiple of the power of two at or above
/// their number.
TreeHash root_of(std::uint64_t begin, std::uint64_t end, const ReadNode& read) {
    const auto nodes = perfect_subtrees(begin, end);
    auto root = read(nodes.back());
    for (auto node = nodes.rbegin() + 1; node != nodes.rend(); ++node)
        root = node_hash(read(*node), root);
    return root;
}

}  // namespace

TreeHash sha256(channel::BytesView bytes) {
    return hash_of({bytes});
}

TreeHash leaf_hash(channel::BytesView leaf) {
    return hash_of({{&kLeaf, 1}, leaf});
}

TreeHash node_hash(const TreeHash& left, const TreeHash& right) {
    return hash_of({{&kNode, 1}, left.view(), right.view()});
}

std::vector<TreeNode> perfect_subtrees(std::uint64_t begin, std::uint64_t end) {
    std::vector<TreeNode> nodes;
    while (begin < end) {
        const auto fits = static_cast<unsigned>(63 - std::countl_zero(end - begin));
        const auto level =
            begin == 0 ? fits : std::min(fits, static_cast<unsigned>(std::countr_zero(begin)));
        nodes.push_back({level, begin >> level});
        begin += std::uint64_t{1} << level;
    }
    return nodes;
}

GrowingTree::GrowingTree(std::uint64_t size, std::vector<TreeHash> roots)
    : size_(size), roots_(std::move(roots)) {
    if (static_cast<int>(roots_.size()) != std::popcount(size))
        throw std::invalid_argument("a tree has one perfect subtree per bit of its size");
}

void GrowingTree::append_subtree(unsigned level, const TreeHash& root) {
    const auto leaves = std::uint64_t{1} << level;
    if (size_ % leaves != 0) throw std::invalid_argument("the subtree does not begin there");
    auto hash = root;
    for (auto index = size_ >> level; index & 1; index >>= 1) {
        hash = node_hash(roots_.back(), hash);
        roots_.pop_back();
    }
    roots_.push_back(hash);
    size_ += leaves;
}

TreeHash GrowingTree::root() const {
    if (roots_.empty()) return sha256({});
    auto root = roots_.back();
    for (auto left = roots_.rbegin() + 1; left != roots_.rend(); ++left)
        root = node_hash(*left, root);
    return root;
}

std::vector<TreeHash> inclusion_path(std::uint64_t index, std::uint64_t size,
                                     const ReadNode& read) {
    std::vector<TreeHash> path;
    std::uint64_t begin = 0;
    auto end = size;
    // From the root down; the path is told from the leaf up.
    while (end - begin > 1) {
        const auto middle = begin + left_part(end - begin);
        if (index < middle) {
            path.push_back(root_of(middle, end, read));
            end = middle;
        } else {
            path.push_back(root_of(begin, middle, read));
            begin = middle;
        }
    }
    return {path.rbegin(), path.rend()};
}

std::vector<TreeHash> consistency_path(std::uint64_t from, std::uint64_t to, const ReadNode& read) {
    std::vector<TreeHash> path;
    std::uint64_t begin = 0;
    auto end = to;
    bool is_whole_old_tree = true;
    while (from != end) {
        const auto middle = begin + left_part(end - begin);
        if (from <= middle) {
            path.push_back(root_of(middle, end, read));
            end = middle;
        } else {
            path.push_back(root_of(begin, middle, read));
            begin = middle;
            is_whole_old_tree = false;
        }
    }
    if (!is_whole_old_tree) path.push_back(root_of(begin, end, read));
    return {path.rbegin(), path.rend()};
}

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const TreeHash& leaf,
                      const std::vector<TreeHash>& path, const TreeHash& root) {
    if (index >= size) return false;
    auto node = index;
    auto last = size - 1;
    auto hash = leaf;
    for (const auto& step : path) {
        if (last == 0) return false;
        if ((node & 1) || node == last) {
            hash = node_hash(step, hash);
            while (!(node & 1) && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && hash == root;
}

bool verify_consistency(std::uint64_t from, std::uint64_t to, const TreeHash& from_root,
                        const TreeHash& to_root, const std::vector<TreeHash>& path) {
    if (from == 0 || from > to) return false;
    if (from == to) return path.empty() && from_root == to_root;
    if (path.empty()) return false;
    auto node = from - 1;
    auto last = to - 1;
    for (; node & 1; node >>= 1) last >>= 1;
    const bool is_perfect = std::has_single_bit(from);
    auto old_hash = is_perfect ? from_root : path.front();
    auto new_hash = old_hash;
    for (auto step = path.begin() + (is_perfect ? 0 : 1); step != path.end(); ++step) {
        if (last == 0) return false;
        if ((node & 1) || node == last) {
            old_hash = node_hash(*step, old_hash);
            new_hash = node_hash(*step, new_hash);
            while (!(node & 1) && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(new_hash, *step);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && old_hash == from_root && new_hash == to_root;
}

}  // namespace millrace::ledger
