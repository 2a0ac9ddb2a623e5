#include "ledger/proof/log_store.hpp"

#include "ledger/bytea.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kNewest =
    "select size, root, note from log_checkpoint order by size desc limit 1";
constexpr const char* kCovering =
    "select size, root, note from log_checkpoint where size >= $1 order by size limit 1";
constexpr const char* kBetween =
    "select size, root, note from log_checkpoint where size between $1 and $2 order by size";
constexpr const char* kTile =
    "select substring(hashes from 1 for $3) from log_tile where level = $1 and tile_index = $2";
constexpr const char* kLeaves =
    "select tile_index, hashes from log_tile where level = 0 and tile_index between $1 and $2 "
    "order by tile_index";

StoredHead head_from(const pqxx::row& row) {
    return {row[0].as<std::uint64_t>(), from_bytea<TreeHash>(row[1]), row[2].c_str()};
}

std::optional<StoredHead> only(const pqxx::result& rows) {
    if (rows.empty()) return std::nullopt;
    return head_from(rows[0]);
}

channel::Bytes bytes_from_column(const pqxx::field& field) {
    std::string text(field.c_str(), field.size());
    text.front() = '0';
    return channel::parse_hex(text).value();
}

TreeHash hash_in(const channel::Bytes& hashes, std::uint64_t position) {
    TreeHash hash;
    std::copy_n(hashes.begin() + static_cast<std::ptrdiff_t>(position * TreeHash::size),
                TreeHash::size, hash.bytes.begin());
    return hash;
}

}  // namespace

std::optional<StoredHead> newest_head(pqxx::transaction_base& transaction) {
    return only(transaction.exec(kNewest));
}

std::optional<StoredHead> head_at(pqxx::transaction_base& transaction, std::uint64_t size) {
    return only(transaction.exec_params(kCovering, size));
}

std::vector<StoredHead> heads_between(pqxx::transaction_base& transaction, std::uint64_t from,
                                      std::uint64_t to) {
    std::vector<StoredHead> heads;
    for (const auto& row : transaction.exec_params(kBetween, from, to))
        heads.push_back(head_from(row));
    return heads;
}

std::optional<channel::Bytes> read_tile(pqxx::transaction_base& transaction, unsigned level,
                                        std::uint64_t index, std::uint64_t width) {
    const auto rows = transaction.exec_params(kTile, level, index, width * TreeHash::size);
    if (rows.empty()) return std::nullopt;
    auto hashes = bytes_from_column(rows[0][0]);
    if (hashes.size() < width * TreeHash::size) return std::nullopt;
    return hashes;
}

TreeHash TileReader::read(const TreeNode& node) {
    const auto tile_level = node.level / kTileHeight;
    const auto below = node.level % kTileHeight;
    std::vector<TreeHash> hashes;
    for (std::uint64_t at_entry = 0; at_entry < std::uint64_t{1} << below; ++at_entry)
        hashes.push_back(at(tile_level, (node.index << below) + at_entry));
    for (; hashes.size() > 1; hashes.resize(hashes.size() / 2))
        for (std::size_t pair = 0; pair < hashes.size() / 2; ++pair)
            hashes[pair] = node_hash(hashes[2 * pair], hashes[2 * pair + 1]);
    return hashes.front();
}

GrowingTree TileReader::tree(std::uint64_t size) {
    std::vector<TreeHash> roots;
    for (const auto& node : perfect_subtrees(0, size)) roots.push_back(read(node));
    return {size, std::move(roots)};
}

TreeHash TileReader::at(unsigned level, std::uint64_t index) {
    const auto key = std::pair{level, index / kTileWidth};
    auto found = tiles_.find(key);
    if (found == tiles_.end()) {
        const auto rows =
            transaction_.exec_params(kTile, level, key.second, kTileWidth * TreeHash::size);
        found = tiles_.emplace(key, rows.empty() ? channel::Bytes{} : bytes_from_column(rows[0][0]))
                    .first;
    }
    const auto position = index % kTileWidth;
    if (found->second.size() < (position + 1) * TreeHash::size)
        throw std::runtime_error(
            fmt::format("the log has no node {} of level {}", index, level * kTileHeight));
    return hash_in(found->second, position);
}

InclusionProof prove_inclusion(TileReader& tiles, std::uint64_t seq, const StoredHead& head) {
    const auto read = [&](const TreeNode& node) { return tiles.read(node); };
    InclusionProof proof{seq, tiles.read({0, seq - 1}), inclusion_path(seq - 1, head.size, read)};
    if (!verify_inclusion(seq - 1, head.size, proof.leaf, proof.path, head.root))
        throw std::runtime_error("the transparency log is not as it was signed");
    return proof;
}

std::vector<TreeHash> prove_consistency(TileReader& tiles, std::uint64_t from,
                                        const StoredHead& head) {
    const auto read = [&](const TreeNode& node) { return tiles.read(node); };
    return consistency_path(from, head.size, read);
}

std::vector<TreeHash> leaf_hashes(pqxx::transaction_base& transaction, std::uint64_t from,
                                  std::uint64_t to) {
    std::vector<TreeHash> hashes;
    if (from > to) return hashes;
    auto next = from - 1;
    for (const auto& row :
         transaction.exec_params(kLeaves, (from - 1) / kTileWidth, (to - 1) / kTileWidth)) {
        const auto tile = bytes_from_column(row[1]);
        const auto base = row[0].as<std::uint64_t>() * kTileWidth;
        const auto end = std::min(base + tile.size() / TreeHash::size, to);
        if (next < base) break;
        for (; next < end; ++next) hashes.push_back(hash_in(tile, next - base));
    }
    return hashes;
}

}  // namespace millrace::ledger
