#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/chain_service.hpp"
#include "api/chain/outbox_sender.hpp"
#include "ledger/channel_reader.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace millrace::api {

/// Takes channels of one network under care and relays gasless deposits.
class Deposits {
public:
    template <class T>
    using Outcome = ChainService::Outcome<T>;

    Deposits(ChainContext& context, ChainNetwork& network, OutboxSender& sender);

    /// As ChainService::open and top_up.
    Task<Outcome<OpenedChannel>> open(channel::ChannelConfig config, std::string app,
                                      std::optional<GaslessDeposit> deposit);
    Task<Outcome<OpenedChannel>> top_up(ledger::ChannelRecord record, GaslessDeposit deposit);

    /// As ChainService::await_deposit.
    Task<Outcome<RelayedDeposit>> wait(channel::ChannelConfig config, GaslessDeposit deposit,
                                       std::shared_ptr<const std::atomic<bool>> is_unwanted);

    /// A deposit that may be sent, or one that was before.
    struct Prepared {
        std::optional<ledger::OutboxEntry> sent_before;
        ledger::OutboxDraft draft;
    };
    /// The newest transaction that was written down for that deposit.
    Task<std::optional<ledger::OutboxEntry>> find(const channel::ChannelConfig& config,
                                                  const GaslessDeposit& deposit);
    /// Checks the deposit, holdings and simulation included, and drafts its transaction; nothing is
    /// sent. The configuration's token has to be taken here.
    Task<Outcome<Prepared>> prepare(channel::ChannelId id, channel::ChannelConfig config,
                                    GaslessDeposit deposit);
    ledger::chain::DepositTerms deposit_terms(const TokenConfig& token) const;
    /// Who signs vouchers of a channel that is opened now; nullopt when the chain cannot be read.
    Task<std::optional<channel::VoucherSigner>> voucher_signer(
        const channel::ChannelConfig& config);

private:
    using Refused = std::optional<channel::Refusal>;

    Refused check_terms(const channel::ChannelConfig& config) const;
    Task<bool> has_too_many(const channel::Address& payer);
    Task<bool> is_known(channel::ChannelId id);
    /// What stands under the reference of `prepared`, unless it is another deposit.
    static Outcome<Prepared> joined(Prepared prepared, ledger::OutboxEntry before);
    Task<Refused> check_on_chain(const channel::ChannelConfig& config,
                                 const GaslessDeposit& deposit, Prepared& prepared);
    Task<Refused> check_holdings(const channel::ChannelConfig& config,
                                 const GaslessDeposit& deposit);
    Task<Outcome<channel::TransactionHash>> send(const Prepared& prepared);
    Task<Outcome<channel::State>> take_under_care(const ledger::ChannelTerms& terms,
                                                  bool deposit_follows);

    ChainContext& context_;
    ChainNetwork& network_;
    OutboxSender& sender_;
    std::size_t waiting_ = 0;
};

}  // namespace millrace::api
