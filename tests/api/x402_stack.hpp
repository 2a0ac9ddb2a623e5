#pragma once

#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/rest_stack.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace support {

/// The facilitator's routes on a real chain, and the messages that payers and resource servers send
/// to them. The service knows of no channel that is made here unless `open` makes it.
class X402Stack : public RestStack {
public:
    using Object = boost::json::object;

    explicit X402Stack(const ChainStack::Change& change = {});

    /// Signs for receivers that leave nothing to the service.
    static constexpr unsigned kOwnAuthorizer = 4;
    /// A channel from kPayer to kProvider: with the service's receiver authorizer, or
    /// kOwnAuthorizer.
    channel::ChannelConfig delegated(std::uint64_t salt = 0) const;
    channel::ChannelConfig own(std::uint64_t salt = 0) const;
    /// The same with a deposit that the payer sends itself.
    channel::ChannelConfig funded(channel::ChannelConfig config, std::uint64_t balance);

    /// What the receiver of the channel requires.
    Object requirements(const channel::ChannelConfig& config) const;
    Object voucher(const channel::ChannelConfig& config, std::uint64_t max_claimable) const;
    Object deposit(const channel::ChannelConfig& config, std::uint64_t amount,
                   std::uint64_t max_claimable) const;
    Object permit2_deposit(const channel::ChannelConfig& config, std::uint64_t amount,
                           std::uint64_t max_claimable) const;
    Object refund(const channel::ChannelConfig& config, std::uint64_t max_claimable) const;

    /// A row of a claim, and the payload of several.
    Object row(const channel::ChannelConfig& config, std::uint64_t max_claimable,
               std::uint64_t total) const;
    static Object claim(std::vector<Object> rows);
    Object settlement() const;
    /// A refund as a resource server completes it, with a claim of what was charged.
    Object completed(const channel::ChannelConfig& config, std::uint64_t charged,
                     std::uint64_t amount, std::uint64_t nonce) const;
    /// The consent of kOwnAuthorizer, as hex text.
    std::string claims_signature(const std::vector<ledger::chain::VoucherClaim>& rows) const;
    std::string refund_signature(const channel::ChannelConfig& config, std::uint64_t amount,
                                 std::uint64_t nonce) const;
    ledger::chain::VoucherClaim claim_of(const channel::ChannelConfig& config,
                                         std::uint64_t max_claimable, std::uint64_t total) const;

    static std::string message(const Object& payload, const Object& required);
    RestAnswer verify(const Object& payload, const Object& required);
    RestAnswer settle(const Object& payload, const Object& required,
                      const std::string& bearer = {});

    /// Transactions that were written down for others, and what the contract has of a channel.
    std::string sent(const std::string& action);
    ledger::chain::ChannelTotals totals(const channel::ChannelConfig& config);
    ledger::chain::ReceiverTotals receiver_totals();
    /// From now on the chain mines only when it is told to.
    void stop_mining() { chain.anvil.rpc("evm_setAutomine", "[false]"); }
    void mine_on();
    /// A token whose every call fails, until `mend_token`.
    void break_token();
    void mend_token();

private:
    std::string token_code_;
};

/// The object with another text or number at a JSON pointer, whose parent has to be there.
X402Stack::Object with(X402Stack::Object object, const std::string& pointer,
                       const std::string& text);
X402Stack::Object with(X402Stack::Object object, const std::string& pointer, std::int64_t number);

/// The reason of a refusal without what those of the scheme begin with; empty when there is none.
/// Throws when it is neither one of them nor one that has no such beginning.
std::string reason_of(const RestAnswer& answer);

}  // namespace support
