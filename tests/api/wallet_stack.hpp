#pragma once

#include "ledger/chain/abi.hpp"
#include "tests/api/chain_stack.hpp"

#include <string_view>

namespace support {

/// A smart wallet of two owners that holds tokens and has approved Permit2.
struct Wallet {
    static constexpr unsigned kFirstOwner = 1;
    static constexpr unsigned kSecondOwner = 2;

    /// Deploys it; its channels pay `receiver`.
    Wallet(ChainStack& chain_stack, const channel::Address& paid);

    static channel::Bytes signed_by_both(const channel::Digest& digest);

    void call(std::string_view function, const ledger::chain::AbiTuple& arguments);
    channel::ChannelConfig terms(std::uint64_t salt = 0) const;
    api::GaslessDeposit deposit(const channel::ChannelConfig& terms, std::uint64_t amount,
                                std::uint64_t nonce) const;
    /// Opens with a deposit and waits until it counts.
    channel::ChannelId opened(const channel::ChannelConfig& terms, std::uint64_t amount,
                              std::uint64_t nonce) const;
    /// Somebody else's transaction, without the service.
    void deposit_directly(const channel::ChannelConfig& terms, std::uint64_t amount,
                          std::uint64_t nonce) const;
    channel::SignedVoucher voucher(const channel::ChannelId& id, std::uint64_t max) const;
    std::optional<channel::Error> ask(const channel::ChannelId& id,
                                      const channel::SignedVoucher& voucher) const;

    ChainStack& stack;
    channel::Address receiver;
    channel::Address address;
};

}  // namespace support
