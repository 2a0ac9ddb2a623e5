#pragma once

#include "channel/bytes.hpp"

#include <cstdint>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A channel whose vouchers its payer, a contract, has to be asked about (ERC-1271).
struct WalletChannel {
    channel::ChannelId id;
    std::int32_t asset_id = 0;
    channel::Address payer;
    channel::Address receiver_authorizer;
};

/// All there are, of any status.
std::vector<WalletChannel> wallet_channels(pqxx::transaction_base& transaction);

}  // namespace millrace::ledger
