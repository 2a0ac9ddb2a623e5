#include "ledger/chain/anchor.hpp"

#include <algorithm>
#include <array>

namespace millrace::ledger::chain {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'M', 'L', 'R', '1'};
constexpr std::size_t kSizeBytes = 8;
constexpr std::size_t kAnchorBytes = kMagic.size() + kSizeBytes + TreeHash::size;
constexpr std::size_t kSelectorBytes = 4;

}  // namespace

void append_anchor(channel::Bytes& data, const Anchor& anchor) {
    data.insert(data.end(), kMagic.begin(), kMagic.end());
    for (int shift = 8 * (kSizeBytes - 1); shift >= 0; shift -= 8)
        data.push_back(static_cast<std::uint8_t>(anchor.size >> shift));
    data.insert(data.end(), anchor.root.bytes.begin(), anchor.root.bytes.end());
}

std::optional<Anchor> anchor_of(channel::BytesView data) {
    if (data.size() < kSelectorBytes + kAnchorBytes ||
        (data.size() - kSelectorBytes - kAnchorBytes) % channel::Word::size != 0)
        return std::nullopt;
    auto rest = data.last(kAnchorBytes);
    if (!std::equal(kMagic.begin(), kMagic.end(), rest.begin())) return std::nullopt;
    rest = rest.subspan(kMagic.size());
    Anchor anchor;
    for (const auto byte : rest.first(kSizeBytes)) anchor.size = anchor.size << 8 | byte;
    rest = rest.subspan(kSizeBytes);
    std::copy(rest.begin(), rest.end(), anchor.root.bytes.begin());
    return anchor;
}

channel::BytesView without_anchor(channel::BytesView data) {
    return anchor_of(data) ? data.first(data.size() - kAnchorBytes) : data;
}

}  // namespace millrace::ledger::chain
