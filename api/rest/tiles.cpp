#include "api/database.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/problems.hpp"
#include "ledger/proof/journal.hpp"
#include "ledger/proof/log_store.hpp"
#include "ledger/snapshot.hpp"

#include <charconv>

namespace millrace::api::rest {
namespace {

constexpr auto kOctets = "application/octet-stream";
/// So many groups of three digits a tile's number may have.
constexpr int kGroupsMax = 6;
constexpr unsigned kLevelMax = 63 / ledger::kTileHeight;
/// The first leaf of any tile below is a number of 63 bits, as those of the journal are.
constexpr std::uint64_t kIndexEnd = std::uint64_t{1} << (63 - ledger::kTileHeight);
/// What is in a full tile is never changed. Bundles are for auditors and so in nobody else's cache.
constexpr auto kForGood = "public, max-age=31536000, immutable";

/// One of the log's tiles, or of its first hashes (C2SP tlog-tiles).
struct TilePath {
    unsigned level = 0;
    std::uint64_t index = 0;
    std::uint64_t width = ledger::kTileWidth;
};

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    return value;
}

std::string_view take_segment(std::string_view& path) {
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), segment.size() + 1));
    return segment;
}

bool is_group(std::string_view text) {
    return text.size() == 3 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "x001/x234/067", and ".p/8" behind it for the first eight hashes of a tile that is not full.
bool parse_index(std::string_view path, TilePath& tile) {
    for (int groups = 0; groups < kGroupsMax; ++groups) {
        auto segment = take_segment(path);
        const bool is_last = !segment.starts_with('x');
        if (!is_last) segment.remove_prefix(1);
        const bool is_partial = is_last && segment.ends_with(".p");
        if (is_partial) segment.remove_suffix(2);
        if (!is_group(segment)) return false;
        std::uint64_t part = 0;
        std::from_chars(segment.data(), segment.data() + segment.size(), part);
        tile.index = tile.index * 1000 + part;
        if (!is_last) continue;
        if (tile.index >= kIndexEnd) return false;
        if (!is_partial) return path.empty();
        const auto width = number(path);
        if (!width || *width == 0 || *width >= ledger::kTileWidth) return false;
        tile.width = *width;
        return true;
    }
    return false;
}

HttpResponse no_tile() {
    return not_found("not_found", "There is no such tile, or it does not have so many hashes yet.");
}

HttpResponse octets(std::string body) {
    return {200, kOctets, std::move(body), {}};
}

/// Each leaf behind its length in two bytes (tlog-tiles, Entry bundles).
std::optional<std::string> read_bundle(pqxx::connection& connection, const TilePath& tile) {
    ledger::Snapshot snapshot(connection);
    auto& transaction = snapshot.reading();
    const auto head = ledger::newest_head(transaction);
    const auto from = tile.index * ledger::kTileWidth + 1;
    const auto to = from + tile.width - 1;
    if (!head || head->size < to) return std::nullopt;
    std::string bundle;
    channel::Bytes leaf;
    for (const auto& entry : ledger::read_journal(transaction, from, to).numbers) {
        if (!ledger::write_leaf(entry, leaf) || leaf.size() > 0xffff) return std::nullopt;
        bundle += static_cast<char>(leaf.size() >> 8);
        bundle += static_cast<char>(leaf.size());
        bundle.append(leaf.begin(), leaf.end());
    }
    return bundle;
}

}  // namespace

Task<HttpResponse> get_tile(RestContext& context, RestRequest request) {
    std::string_view path = request.segment;
    const auto level = number(take_segment(path));
    TilePath tile;
    if (!level || *level > kLevelMax || !parse_index(path, tile)) co_return no_tile();
    tile.level = static_cast<unsigned>(*level);
    const auto hashes = co_await context.database.run([tile](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        auto& transaction = snapshot.reading();
        return ledger::read_tile(transaction, tile.level, tile.index, tile.width);
    });
    if (!hashes) co_return no_tile();
    auto response = octets({hashes->begin(), hashes->end()});
    if (tile.width == ledger::kTileWidth) response.headers.emplace_back("Cache-Control", kForGood);
    co_return response;
}

Task<HttpResponse> get_entry_bundle(RestContext& context, RestRequest request) {
    TilePath tile;
    if (!parse_index(request.segment, tile)) co_return no_tile();
    const auto bundle = co_await context.database.run(
        [tile](pqxx::connection& connection) { return read_bundle(connection, tile); });
    if (!bundle) co_return no_tile();
    co_return octets(*bundle);
}

}  // namespace millrace::api::rest
