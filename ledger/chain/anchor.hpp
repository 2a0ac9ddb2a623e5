#pragma once

#include "channel/bytes.hpp"
#include "ledger/proof/tree.hpp"

#include <cstdint>
#include <optional>

namespace millrace::ledger::chain {

/// A head of the transparency log that a transaction carries behind its call, where contracts do
/// not look (ledger/proof/README.md, Anchors).
struct Anchor {
    std::uint64_t size = 0;
    TreeHash root;
    friend bool operator==(const Anchor&, const Anchor&) = default;
};

void append_anchor(channel::Bytes& data, const Anchor& anchor);

/// Nullopt when there is none. A call's arguments are whole words, so the length alone tells.
std::optional<Anchor> anchor_of(channel::BytesView data);
/// The call itself; all of the data when there is no anchor.
channel::BytesView without_anchor(channel::BytesView data);

}  // namespace millrace::ledger::chain
