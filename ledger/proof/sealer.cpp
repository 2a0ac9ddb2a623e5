#include "ledger/proof/sealer.hpp"

#include "ledger/bytea.hpp"
#include "ledger/posted_seq.hpp"
#include "ledger/proof/journal.hpp"
#include "ledger/proof/log_store.hpp"
#include "ledger/text_form.hpp"

#include <algorithm>
#include <stdexcept>

namespace millrace::ledger {
namespace {

// A stalled session that holds the head's row is not waited for without end.
constexpr const char* kSession =
    "set application_name = 'millrace-log'; set local synchronous_commit = on; "
    "set local lock_timeout = '10s'; set local statement_timeout = '60s'; "
    "set local plan_cache_mode = force_generic_plan";
constexpr const char* kTakeHead = "select size from log_head where id = 1 for update";
constexpr const char* kWriteTile =
    "insert into log_tile (level, tile_index, hashes) values ($1, $2, $3::bytea) "
    "on conflict (level, tile_index) do update set hashes = excluded.hashes";
constexpr const char* kWriteHead = "update log_head set size = $1 where id = 1";
constexpr const char* kWriteCheckpoint =
    "insert into log_checkpoint (size, root, note, at) values ($1, $2::bytea, $3, "
    "$4::timestamptz)";

/// So many numbers are read at once.
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kTileBytes = kTileWidth * TreeHash::size;

void append_hash(std::string& hashes, const TreeHash& hash) {
    hashes.append(reinterpret_cast<const char*>(hash.bytes.data()), TreeHash::size);
}

std::string as_bytea(const std::string& bytes) {
    return to_bytea(
        channel::BytesView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

/// The first batch from `used` on that is not behind `next`; null when there is none.
const CommittedBatch* held_at(const HeldBatches& held, std::size_t& used, std::uint64_t next) {
    if (!held.batches) return nullptr;
    while (used < held.batches->size() && (*held.batches)[used].base + 1 < next) ++used;
    return used < held.batches->size() ? &(*held.batches)[used] : nullptr;
}

}  // namespace

std::uint64_t Sealer::seal(pqxx::connection& connection, std::uint64_t numbers_max, Time now,
                           const HeldBatches& held) {
    try {
        pqxx::work transaction(connection);
        transaction.exec(std::string(kSession) + "; " + kOneTextForm);
        const auto size = transaction.exec1(kTakeHead)[0].as<std::uint64_t>();
        if (tree_.size() != size || size == 0) take_up(transaction, size);
        const auto posted = transaction.exec1(kPostedSeq)[0].as<std::uint64_t>();
        auto end = std::min(posted, size + numbers_max);
        if (end <= size) return size;
        std::size_t used = 0;
        for (auto next = size + 1; next <= end;) {
            const auto* batch = held_at(held, used, next);
            if (batch && batch->base + 1 == next) {
                write_leaves(*batch, *held.assets, [this](std::uint64_t, channel::BytesView leaf) {
                    append(leaf_hash(leaf));
                });
                next = batch->last() + 1;
                end = std::max(end, batch->last());
                continue;
            }
            const auto stop = batch ? std::min(end, batch->base) : end;
            append_read(transaction, next, stop);
            next = stop + 1;
        }
        for (const auto* tiles : {&filled_, &edge_})
            for (const auto& tile : *tiles)
                if (!tile.hashes.empty())
                    transaction.exec_params0(kWriteTile, tile.level, tile.index,
                                             as_bytea(tile.hashes));
        const TreeHead head{signer_.key().name, end, tree_.root(), size};
        transaction.exec_params0(kWriteHead, end);
        transaction.exec_params0(kWriteCheckpoint, end, to_bytea(head.root),
                                 signer_.sign(head.text()), to_rfc3339(now));
        transaction.commit();
        filled_.clear();
        known_ = head;
        if (held.batches)
            std::erase_if(*held.batches,
                          [end](const CommittedBatch& batch) { return batch.last() <= end; });
        return end;
    } catch (...) {
        forget();
        throw;
    }
}

void Sealer::append_read(pqxx::transaction_base& transaction, std::uint64_t from,
                         std::uint64_t to) {
    channel::Bytes leaf;
    for (; from <= to; from += kPage) {
        const auto page = read_journal(transaction, from, std::min(to, from + kPage - 1));
        for (const auto& number : page.numbers) {
            if (!write_leaf(number, leaf))
                throw std::runtime_error("number " + std::to_string(number.seq) +
                                         " holds a row that no leaf can be made of");
            append(leaf_hash(leaf));
        }
    }
}

void Sealer::forget() {
    tree_ = {};
    edge_.clear();
    filled_.clear();
}

/// Nothing is built on a log that is not the one last signed.
void Sealer::take_up(pqxx::transaction_base& transaction, std::uint64_t size) {
    forget();
    TileReader tiles(transaction);
    tree_ = tiles.tree(size);
    check_signed(transaction);
    for (unsigned level = 0; size >> (kTileHeight * level) != 0; ++level) {
        const auto nodes = size >> (kTileHeight * level);
        Tile tile{level, nodes / kTileWidth, {}};
        for (auto at = tile.index * kTileWidth; at < nodes; ++at)
            append_hash(tile.hashes, tiles.read({kTileHeight * level, at}));
        edge_.push_back(std::move(tile));
    }
}

void Sealer::check_signed(pqxx::transaction_base& transaction) {
    constexpr const char* kRemedy = "; run: millrace audit verify";
    const auto stored = newest_head(transaction);
    std::optional<TreeHead> head;
    if (!stored && tree_.size() != 0)
        throw std::runtime_error(std::string("the transparency log has no signed head") + kRemedy);
    if (stored) {
        const auto text = open_note(stored->note, signer_.key());
        if (!text)
            throw std::runtime_error("the newest tree head is not signed by " +
                                     signer_.key().text() +
                                     ": transparency.key_file or origin is another than before");
        head = TreeHead::parse(*text);
        if (!head || head->size != tree_.size() || head->root != tree_.root())
            throw std::runtime_error(std::string("the transparency log is not as it was signed") +
                                     kRemedy);
    }
    if (!known_) {
        known_ = head;
        return;
    }
    TileReader tiles(transaction);
    if (known_->size > tree_.size() || tiles.tree(known_->size).root() != known_->root)
        throw std::runtime_error("the transparency log does not contain the head of size " +
                                 std::to_string(known_->size) + " that was signed before" +
                                 kRemedy);
}

void Sealer::append(const TreeHash& leaf) {
    tree_.append(leaf, [this](const TreeNode& node, const TreeHash& hash) {
        if (node.level % kTileHeight == 0) add_to_tile(node.level / kTileHeight, hash);
    });
}

void Sealer::add_to_tile(unsigned level, const TreeHash& hash) {
    if (edge_.size() <= level) edge_.push_back({level, 0, {}});
    auto& tile = edge_[level];
    append_hash(tile.hashes, hash);
    if (tile.hashes.size() < kTileBytes) return;
    filled_.push_back(std::move(tile));
    tile = {level, filled_.back().index + 1, {}};
}

}  // namespace millrace::ledger
