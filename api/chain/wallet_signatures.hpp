#pragma once

#include "api/chain/nodes.hpp"
#include "api/chain/turns.hpp"
#include "channel/bytes.hpp"
#include "channel/error.hpp"
#include "channel/voucher_signature.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_set>

namespace millrace::api {

/// Asks smart wallets of one network (ERC-1271) whether signatures are theirs: by one bounded
/// `eth_call` each, as the escrow would ask, a bounded number at once. What a wallet has said yes
/// to is remembered, so that a repeat costs nothing. Used on the chain thread.
class WalletSignatures {
public:
    /// `nodes` outlive it.
    WalletSignatures(boost::asio::any_io_executor executor, Nodes& nodes);

    /// Nothing when the wallet says yes now; `voucher_signature` when it does not, or needs more
    /// gas than `kErc1271GasMax`; `rpc_read_failed` when nobody answers; `overloaded` when too many
    /// wait.
    Task<std::optional<channel::Error>> refuse(channel::Address wallet, channel::Digest digest,
                                               channel::VoucherSignature signature);

private:
    Task<std::optional<channel::Error>> ask(channel::Address wallet, channel::Digest digest,
                                            channel::VoucherSignature signature);
    void remember(const channel::Digest& question);

    Nodes& nodes_;
    Turns turns_;
    std::size_t waiting_ = 0;
    /// Questions that were answered with yes, the oldest first.
    std::deque<channel::Digest> said_yes_in_order_;
    std::unordered_set<channel::Digest> said_yes_;
};

}  // namespace millrace::api
