#pragma once

#include "ledger/proof/note.hpp"
#include "ledger/proof/tree.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// C2SP tlog-tiles: 2^8 hashes a tile.
inline constexpr unsigned kTileHeight = 8;
inline constexpr std::uint64_t kTileWidth = 1 << kTileHeight;

struct StoredHead {
    std::uint64_t size = 0;
    TreeHash root;
    std::string note;
};

/// The newest signed head; nullopt when there is none yet.
std::optional<StoredHead> newest_head(pqxx::transaction_base& transaction);
/// The oldest head that covers that many leaves, for one who waits for a number to be sealed.
std::optional<StoredHead> head_at(pqxx::transaction_base& transaction, std::uint64_t size);
/// All of sizes in [from, to], in order.
std::vector<StoredHead> heads_between(pqxx::transaction_base& transaction, std::uint64_t from,
                                      std::uint64_t to);

/// The first `width` hashes of a tile; nullopt when there are not so many.
std::optional<channel::Bytes> read_tile(pqxx::transaction_base& transaction, unsigned level,
                                        std::uint64_t index, std::uint64_t width);

/// Reads nodes out of the stored tiles, each tile once. Throws std::runtime_error for a node that
/// is not there: the tree is smaller, or was damaged.
class TileReader {
public:
    explicit TileReader(pqxx::transaction_base& transaction) : transaction_(transaction) {}
    TreeHash read(const TreeNode& node);
    /// The tree of the first `size` leaves.
    GrowingTree tree(std::uint64_t size);

private:
    TreeHash at(unsigned level, std::uint64_t index);

    pqxx::transaction_base& transaction_;
    std::map<std::pair<unsigned, std::uint64_t>, channel::Bytes> tiles_;
};

/// What shows that a number is in the tree of the first `size`.
struct InclusionProof {
    std::uint64_t seq = 0;
    TreeHash leaf;
    std::vector<TreeHash> path;
};
/// Throws std::runtime_error when the stored tree does not lead to the head that was signed.
InclusionProof prove_inclusion(TileReader& tiles, std::uint64_t seq, const StoredHead& head);
/// The same, of the trees of the first `from` and of all of the head's numbers; 0 < from ≤ size.
std::vector<TreeHash> prove_consistency(TileReader& tiles, std::uint64_t from,
                                        const StoredHead& head);

/// Leaf hashes as stored, of numbers `from` to `to` as far as they are sealed.
std::vector<TreeHash> leaf_hashes(pqxx::transaction_base& transaction, std::uint64_t from,
                                  std::uint64_t to);

}  // namespace millrace::ledger
