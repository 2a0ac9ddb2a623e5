#pragma once

#include "ledger/audit/verify/export_line.hpp"
#include "ledger/proof/note.hpp"
#include "ledger/proof/tree.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::ledger {

/// A tree head that somebody holds from elsewhere: kept from before, or anchored on a chain.
struct KnownHead {
    std::uint64_t size = 0;
    TreeHash root;
    /// For people: where it is from.
    std::string source;
};

/// Rules `tree` and `head_signature`, over the leaf hashes of an export. Throws Broken.
class TreeCheck {
public:
    /// `from`: the first number of the export. `key`: whose signature heads have to bear; nullopt:
    /// none is asked for.
    TreeCheck(std::uint64_t from, std::optional<NoteKey> key, std::vector<KnownHead> known);

    /// The next leaf; nullopt: not sealed, as all behind it.
    void append(std::uint64_t seq, const std::optional<TreeHash>& leaf);
    void take_checkpoint(const Fields& line);
    void take_proof(const Fields& line);

    std::uint64_t size() const { return end_; }
    std::uint64_t heads() const { return heads_; }
    /// Where those known heads are from that the export has no leaves for.
    const std::vector<std::string>& unchecked() const { return unchecked_; }
    /// The root at that size, where it was told or passed; for anchors.
    std::optional<TreeHash> root_at(std::uint64_t size) const;

private:
    struct Node {
        TreeNode place;
        TreeHash hash;
    };
    struct Known {
        KnownHead head;
        /// As they were at its size.
        std::vector<Node> nodes;
    };
    struct Waiting {
        std::uint64_t size;
        TreeHash root;
        std::vector<Node> nodes;
    };

    void check_note(std::uint64_t size, const TreeHash& root, const std::string& note);
    void check_known(const Known& known, const KnownHead& newest,
                     const std::vector<TreeHash>& left);
    void check_root(std::uint64_t size, const TreeHash& told, const TreeHash& found);
    TreeHash root_of(const std::vector<TreeHash>& left, const std::vector<Node>& nodes,
                     const std::vector<TreeHash>& right, std::uint64_t size) const;

    std::uint64_t begin_;
    std::uint64_t end_;
    bool is_sealed_ = true;
    std::optional<NoteKey> key_;
    std::vector<Known> known_;
    std::vector<std::string> unchecked_;
    /// Perfect subtrees over the leaves so far, from the left.
    std::vector<Node> nodes_;
    std::vector<Waiting> waiting_;
    std::uint64_t last_good_ = 0;
    std::uint64_t last_head_ = 0;
    /// What the note looked at last says of the head before it.
    std::optional<std::uint64_t> previous_;
    std::uint64_t heads_ = 0;
    std::vector<std::pair<std::uint64_t, TreeHash>> roots_;
};

}  // namespace millrace::ledger
