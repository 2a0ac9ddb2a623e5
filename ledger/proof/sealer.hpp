#pragma once

#include "ledger/proof/committed_batch.hpp"
#include "ledger/proof/note.hpp"
#include "ledger/proof/tree.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Brings the transparency log up to what is committed. Several may be at it, also of several
/// processes: whoever has the lock of the head's row goes on from there.
/// Batches in memory, of the process that seals.
struct HeldBatches {
    std::deque<CommittedBatch>* batches = nullptr;
    const Assets* assets = nullptr;
};

class Sealer {
public:
    /// `known`: the newest head that this log is known to have signed, from outside of the
    /// database; what is sealed has to contain it.
    explicit Sealer(NoteSigner signer, std::optional<TreeHead> known = {})
        : signer_(std::move(signer)), known_(std::move(known)) {}

    const NoteKey& key() const { return signer_.key(); }
    /// The newest head that it has signed, or knows of.
    std::string newest_note() const { return known_ ? signer_.sign(known_->text()) : ""; }

    /// Seals what is committed and not sealed yet, at most `numbers_max` of it, and signs the new
    /// head; the tree's size afterwards. One transaction: all of it or nothing. Throws
    /// std::runtime_error when the stored log is not the one that this key has signed.
    /// `held`: batches that need not be read again, in commit order; those that are sealed are
    /// taken out.
    std::uint64_t seal(pqxx::connection& connection, std::uint64_t numbers_max, Time now,
                       const HeldBatches& held = {});

private:
    /// Hashes of one tile of a level; those that are full go to `filled_`.
    struct Tile {
        unsigned level = 0;
        std::uint64_t index = 0;
        std::string hashes;
    };

    void forget();
    void take_up(pqxx::transaction_base& transaction, std::uint64_t size);
    void check_signed(pqxx::transaction_base& transaction);
    void append(const TreeHash& leaf);
    void append_read(pqxx::transaction_base& transaction, std::uint64_t from, std::uint64_t to);
    void add_to_tile(unsigned level, const TreeHash& hash);

    NoteSigner signer_;
    std::optional<TreeHead> known_;
    GrowingTree tree_;
    /// The last tile of each level, by level.
    std::vector<Tile> edge_;
    std::vector<Tile> filled_;
};

}  // namespace millrace::ledger
