#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A token on a network: what balances are counted in. Every account, channel and transfer belongs
/// to exactly one. The zero token stands for the network's own coin, in which fees are paid.
struct Asset {
    std::int32_t id = 0;
    channel::Network network;
    channel::Address token;
    std::string name;
    std::string symbol;
    int decimals = 0;
    /// The escrow contract on the network and its EIP-712 domain separator; not stored.
    channel::Address contract;
    channel::Digest escrow_separator;
};

using Assets = std::map<std::int32_t, Asset>;

/// Finds or adds each of `wanted` (their ids are ignored) and gives all of them back with ids.
/// Repeating it changes nothing.
Assets register_assets(pqxx::connection& connection, const std::vector<Asset>& wanted);

/// A token that is not among the assets any more, although channels of it hold money.
struct UnservedAsset {
    std::string network;
    channel::Address token;
    std::uint64_t channels = 0;
};
std::vector<UnservedAsset> unserved_assets(pqxx::connection& connection, const Assets& served);

}  // namespace millrace::ledger
