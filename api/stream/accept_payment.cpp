#include "api/stream/accept_payment.hpp"

#include "api/chain/chain_service.hpp"
#include "api/database.hpp"
#include "channel/eip712.hpp"
#include "channel/payer_signature.hpp"
#include "channel/voucher.hpp"
#include "ledger/accept_preview.hpp"

#include <utility>

namespace millrace::api::stream {

using channel::Error;
using channel::Refusal;

namespace {

channel::Digest separator_of(const NetworkConfig& network) {
    return channel::domain_separator(
        channel::escrow_domain(network.network.chain_id, network.contract));
}

channel::ChannelId id_on(const NetworkConfig& network, const channel::ChannelConfig& config) {
    return channel::channel_id(separator_of(network), config);
}

const NetworkConfig* find(const std::vector<NetworkConfig>& networks,
                          const channel::Network& network) {
    for (const auto& one : networks)
        if (one.network == network) return &one;
    return nullptr;
}

Task<ledger::AcceptPreview> preview(const Services& services, const UnfundedAccept& accept) {
    const auto amount = accept.asked.deposit ? accept.asked.deposit->amount : channel::Amount{};
    const auto work = [&payment = accept.payment, amount](pqxx::connection& connection) {
        return ledger::preview_accept(connection, payment, amount);
    };
    co_return co_await services.database.run(work);
}

template <class T>
const Refusal* refusal_of(const ChainService::Outcome<T>& outcome) {
    return std::get_if<Refusal>(&outcome);
}

/// Nothing when the payer's side has signed the voucher, as far as that can be told of a channel
/// that may not be known.
Task<std::optional<Failure>> refuse_voucher(const Services& services,
                                            const UnfundedAccept& accept) {
    const auto& config = accept.asked.config;
    const auto& [max_claimable, signature] = accept.asked.payment.voucher;
    const auto separator = separator_of(*find(services.config.networks, accept.network));
    const auto& id = accept.payment.channel;
    if (channel::is_signed_by_payer(config, separator, id, max_claimable, signature))
        co_return std::nullopt;
    if (!config.payer_authorizer.is_zero()) co_return failure(Error::voucher_signature);
    const auto digest = channel::digest(separator, channel::Voucher{id, max_claimable});
    const auto asked =
        co_await services.chain.ask_wallet(config.payer, digest, signature, accept.network);
    if (const auto* refusal = refusal_of(asked)) co_return failure(*refusal);
    co_return std::nullopt;
}

/// The first result again, with what was sent then.
Task<Funding> answer_again(const Services& services, const UnfundedAccept& accept,
                           ledger::PaymentResult result) {
    AcceptedBefore before{std::move(result), {}};
    if (!accept.asked.deposit) co_return before;
    const auto sent = co_await services.chain.await_deposit(
        accept.network, accept.asked.config, *accept.asked.deposit, accept.is_unwanted);
    if (const auto* deposit = std::get_if<RelayedDeposit>(&sent))
        before.deposit = *deposit;
    else if (refusal_of(sent)->error != Error::deposit_transaction_failed)
        co_return failure(*refusal_of(sent));
    co_return before;
}

/// Sends the deposit and sees it into the books.
Task<Funding> deposit(const Services& services, const UnfundedAccept& accept, bool is_known) {
    const auto& config = accept.asked.config;
    auto& chain = services.chain;
    // The deposit is the payer's, by its own authorization, whoever hands it in.
    auto sending = is_known
                       ? chain.top_up(accept.payment.channel, config.payer, *accept.asked.deposit)
                       : chain.open(accept.network, config, {}, accept.asked.deposit);
    const auto sent = co_await std::move(sending);
    if (const auto* refusal = refusal_of(sent)) co_return failure(*refusal);
    const auto counted = co_await chain.await_deposit(accept.network, config, *accept.asked.deposit,
                                                      accept.is_unwanted);
    const auto* refusal = refusal_of(counted);
    if (!refusal) co_return Funded{std::get<RelayedDeposit>(counted)};
    auto why = failure(*refusal);
    if (refusal->error == Error::unavailable)
        why.message =
            "The deposit is sent and has not all its confirmations yet; repeat the same "
            "request.";
    co_return why;
}

}  // namespace

std::variant<NamedChannel, Failure> name_channel(const std::vector<NetworkConfig>& networks,
                                                 const AcceptPayment& asked) {
    if (!asked.network && asked.channel) {
        for (const auto& one : networks)
            if (id_on(one, asked.config) == *asked.channel)
                return NamedChannel{one.network, *asked.channel};
        return failure(Error::channel_id_mismatch);
    }
    if (!asked.network && networks.size() != 1)
        return bad_param("network", "Say which network, or let voucher.channelId tell it.");
    const auto* network = asked.network ? find(networks, *asked.network) : &networks.front();
    if (!network) return failure(Error::network_mismatch);
    const auto id = id_on(*network, asked.config);
    if (asked.channel && *asked.channel != id) return failure(Error::channel_id_mismatch);
    return NamedChannel{network->network, id};
}

Task<Funding> fund(const Services& services, UnfundedAccept accept) {
    const auto& asked = accept.asked;
    auto found = co_await preview(services, accept);
    if (found.before) co_return co_await answer_again(services, accept, std::move(*found.before));
    if (found.refusal) co_return failure(*found.refusal);
    if (auto why = co_await refuse_voucher(services, accept)) co_return std::move(*why);
    if (!found.channel) {
        // What is on chain already counts; a channel without money there is opened by its deposit.
        const auto opened =
            co_await services.chain.open(accept.network, asked.config, {}, std::nullopt);
        const auto* refusal = refusal_of(opened);
        if (refusal && !(asked.deposit && refusal->error == Error::channel_not_found))
            co_return failure(*refusal);
        if (!refusal) {
            found = co_await preview(services, accept);
            if (found.refusal) co_return failure(*found.refusal);
        }
    }
    if (!asked.deposit) co_return Funded{};
    co_return co_await deposit(services, accept, found.channel.has_value());
}

}  // namespace millrace::api::stream
