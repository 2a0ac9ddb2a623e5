#pragma once

#include "api/chain/chain_health.hpp"
#include "api/config.hpp"
#include "api/task.hpp"
#include "api/x402/answers.hpp"
#include "channel/config.hpp"
#include "channel/refund.hpp"
#include "channel/state.hpp"
#include "channel/step.hpp"
#include "ledger/asset.hpp"
#include "ledger/audit/reconciliation.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "ledger/chain/signer.hpp"
#include "ledger/request.hpp"
#include "ledger/settlement/quarantine.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace millrace::api {

class Database;
class Shards;

/// A gasless deposit as x402 carries it (`deposit.amount`, `deposit.authorization`).
using ledger::chain::GaslessDeposit;

struct OpenedChannel {
    channel::ChannelId id;
    channel::Status status = channel::Status::pending;
    channel::Amount balance;
    std::optional<channel::TransactionHash> transaction;
};

/// A gasless deposit that this service has sent.
struct RelayedDeposit {
    channel::TransactionHash transaction;
    channel::Amount amount;
};

/// A refund that was written down and will be seen through.
struct RefundSent {
    channel::ChannelId id;
    channel::Amount amount;
    channel::TransactionHash transaction;
};

struct ClaimSummary {
    std::string claim_id;
    std::string status;  ///< queued, sent, confirmed, failed
    std::vector<channel::TransactionHash> transactions;
    std::size_t channels = 0;
    channel::Amount amount;
    std::string error;
};

/// Which of the payers' signatures a reconciliation checks: those of the vouchers that stand, one
/// for each channel, or of every payment too, which takes as long as there are many.
enum class Vouchers { standing, all };

/// All that touches the chain: follows blocks, posts events to the shards, relays deposits, claims
/// and settles through the outbox. Has a thread of its own; its tasks may be awaited from any I/O
/// thread (they run on the chain thread and resume the caller on its own executor).
class ChainService {
public:
    /// Events of topic `settlement` (queued, sent, confirmed, failed), in commit order.
    struct SettlementEvent {
        std::uint64_t seq = 0;
        std::string name;
        channel::Address receiver;
        std::string data;  ///< JSON object
    };

    /// Finds the signer. Throws ConfigError when a key, a URL or an asset is missing or malformed,
    /// and SignerUnavailable when the signer does not answer. `config`, `database` and `shards`
    /// have to outlive the service. `publish` is called on a database thread, in a turn of
    /// the commit order: it has to be quick.
    ChainService(const Config& config, ledger::Assets assets, Database& database, Shards& shards,
                 std::function<void(const SettlementEvent&)> publish);
    ~ChainService();

    /// Checks every network's chain id and contract (eth_getCode), then follows the chain. The
    /// shards have to be running. Throws ConfigError or std::runtime_error with what to do.
    void start();
    /// Ends all tasks; stop it before the shards. Tasks begun later are refused as `unavailable`.
    void stop();

    /// The gateway number whose answers have to be handed to `deliver`.
    static constexpr std::uint32_t kGateway = 0xffffffff;
    void deliver(std::vector<ledger::Answer> answers);

    template <class T>
    using Outcome = std::variant<T, channel::Refusal>;

    /// stream-protocol, channel.open: checks the configuration, reads the contract, takes the
    /// channel under care and relays the deposit, if any.
    Task<Outcome<OpenedChannel>> open(channel::Network network, channel::ChannelConfig config,
                                      std::string app, std::optional<GaslessDeposit> deposit);
    Task<Outcome<OpenedChannel>> top_up(channel::ChannelId id, channel::Address caller,
                                        GaslessDeposit deposit);
    /// Waits until a deposit that was sent has its confirmations and is in the books. At most
    /// limits.deposit_wait, and no longer than `is_unwanted` stays false: `unavailable` then.
    /// `deposit_transaction_failed` also when none was sent; `overloaded` when
    /// limits.deposits_awaited_max wait.
    Task<Outcome<RelayedDeposit>> await_deposit(
        channel::Network network, channel::ChannelConfig config, GaslessDeposit deposit,
        std::shared_ptr<const std::atomic<bool>> is_unwanted);
    /// stream-protocol, channel.refund: claims what is charged and gives unspent money back, in one
    /// transaction. The same request again, while the refund is on its way, is answered as before;
    /// another one is `channel_busy`. The caller may be the receiver, with the payer's voucher.
    /// `asked.refund_nonce` is filled in here.
    Task<Outcome<RefundSent>> refund(channel::ChannelId id, channel::Address caller,
                                     channel::AskRefund asked);
    /// The payer of a channel if that is a contract that judges its vouchers (ERC-1271): each has
    /// to be put to `ask_wallet` before its payment goes to a shard. From any thread, at once.
    std::optional<channel::Address> wallet_of(const channel::ChannelId& channel) const;
    /// Why such a channel takes no new promises: `contract_payer_refused` while the signer signs no
    /// claims on vouchers of contracts. From any thread, at once.
    std::optional<channel::Refusal> refuse_wallet(const channel::ChannelId& channel) const;
    /// Whether that contract takes the voucher: `voucher_signature` if not, `rpc_read_failed`,
    /// `overloaded`.
    struct Valid {};
    Task<Outcome<Valid>> ask_wallet(channel::ChannelId channel, channel::SignedVoucher voucher);
    /// The same for any address and digest; on the first network, which logins are bound to, where
    /// none is named.
    Task<Outcome<Valid>> ask_wallet(channel::Address wallet, channel::Digest digest,
                                    channel::VoucherSignature signature,
                                    std::optional<channel::Network> network = {});
    /// settlement.claim for every asset that matches; one claim per asset, the first is answered.
    Task<Outcome<ClaimSummary>> claim(channel::Address receiver,
                                      std::optional<channel::Network> network,
                                      std::optional<channel::Address> token);
    /// `forbidden` for another provider's claim; `invalid_params` when there is none of that id.
    Task<Outcome<ClaimSummary>> get_claim(std::string claim_id, channel::Address receiver);

    /// The newest claims of the receiver behind `after` (empty: from the newest).
    Task<Outcome<std::vector<ClaimSummary>>> list_claims(channel::Address receiver,
                                                         std::string after, std::size_t limit);
    /// The receiver's channels that are left out of claims, and why.
    Task<Outcome<std::vector<ledger::QuarantinedChannel>>> list_quarantine(
        channel::Address receiver, std::optional<channel::ChannelId> after, std::size_t limit);
    /// Takes a channel in quarantine, or all that a claim was to claim, up again, and claims.
    /// `forbidden` for another provider's, otherwise as `get_claim` and `claim`.
    Task<Outcome<ClaimSummary>> retry_channel(channel::ChannelId id, channel::Address receiver);
    Task<Outcome<ClaimSummary>> retry_claim(std::string claim_id, channel::Address receiver);

    /// The x402 facilitator: see api/x402/facilitator.hpp. What is refused stands in the answer;
    /// `unavailable` only when nothing can be said.
    Task<Outcome<x402::Verdict>> verify(x402::FacilitatorRequest request);
    Task<Outcome<x402::Settlement>> settle(x402::FacilitatorRequest request);

    /// Compares the books with the contracts and the vouchers, see api/chain/reconciliation.hpp;
    /// one at a time: `rate_limited` while another runs. `rpc_read_failed`, `unavailable`.
    Task<Outcome<ledger::Reconciliation>> reconcile(Vouchers vouchers);

    /// The address that signs claims for receivers that leave it to this service.
    channel::Address receiver_authorizer() const;
    /// The address that pays for what is sent to the chain.
    channel::Address relayer() const;

    /// Whether claims and deposits can be signed.
    ledger::chain::SignerHealth signer_health() const;

    /// Seconds since the newest block was seen, per network, and whether following works: for
    /// readiness and metrics.
    struct NetworkHealth {
        channel::Network network;
        bool following = false;
        std::uint64_t block = 0;
        std::string error;
        std::vector<NodeStanding> nodes;
        ChainCounts counts;
    };
    std::vector<NetworkHealth> health() const;

private:
    class Loop;
    std::unique_ptr<Loop> loop_;
};

}  // namespace millrace::api
