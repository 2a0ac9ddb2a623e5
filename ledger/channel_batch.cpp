#include "ledger/channel_batch.hpp"

#include "channel/keccak.hpp"
#include "channel/voucher.hpp"
#include "ledger/reversal.hpp"

#include <unordered_map>

namespace millrace::ledger {

using channel::Error;
using channel::Refusal;

channel::Digest digest_of(const LiveChannel& channel, const channel::SignedVoucher& voucher) {
    return channel::digest(channel.asset->escrow_separator,
                           channel::Voucher{channel.terms->id, voucher.max_claimable});
}

bool check_signature(LiveChannel& channel, const channel::SignedVoucher& voucher) {
    const auto* const signature = voucher.signature.as_of_key();
    if (!signature || !channel::check_form(*signature)) return false;
    const auto key = channel::recover(digest_of(channel, voucher), *signature);
    if (!key) return false;
    if (channel.signer) return *key == *channel.signer;
    if (channel::address_of(*key) != channel::voucher_signer(channel.terms->config)) return false;
    channel.signer = *key;
    return true;
}

ContentHash content_hash(const PaymentRequest& request) {
    struct Said {
        char kind;
        const channel::InferenceId* inference;
        channel::Amount amount;
    };
    const auto said = std::visit(
        [](const auto& command) -> Said {
            using Command = std::decay_t<decltype(command)>;
            if constexpr (std::is_same_v<Command, channel::Pay>)
                return {'p', &command.inference, command.amount};
            else if constexpr (std::is_same_v<Command, channel::Authorize> ||
                               std::is_same_v<Command, channel::Accept>)
                return {'a', &command.inference, command.max_amount};
            else if constexpr (std::is_same_v<Command, channel::Charge>)
                return {command.finality == channel::Finality::final ? 'c' : 'i',
                        &command.inference, command.amount};
            else
                return {'r', &command.inference, channel::Amount{}};
        },
        request.command);
    const auto amount = channel::to_word(said.amount);
    const std::uint8_t kind = static_cast<std::uint8_t>(said.kind);
    const auto& inference = said.inference->text();
    const auto digest = channel::keccak256(
        {channel::BytesView{&kind, 1}, amount.view(),
         channel::BytesView{reinterpret_cast<const std::uint8_t*>(inference.data()),
                            inference.size() + 1},
         channel::BytesView{reinterpret_cast<const std::uint8_t*>(request.detail.data()),
                            request.detail.size()}});
    ContentHash hash;
    std::copy_n(digest.bytes.begin(), ContentHash::size, hash.bytes.begin());
    return hash;
}

namespace {

const PaymentRequest* payment_of(const BatchItem& item) {
    return std::get_if<PaymentRequest>(item.request);
}

/// What the receiver accepts for itself, its authorizer does not.
bool is_allowed(const channel::ChannelConfig& config, const PaymentRequest& request) {
    if (std::holds_alternative<channel::Accept>(request.command))
        return request.caller == config.receiver;
    return opens_inference(request) ? is_payer_side(config, request.caller)
                                    : is_provider_side(config, request.caller);
}

/// Runs the requests of one channel once, in order.
class Run {
public:
    enum class Signatures { at_once, later };
    Run(LiveChannel& channel, const PaymentHistory& history, const channel::Limits& limits,
        Signatures signatures, Checks& checks)
        : channel_(channel),
          history_(history),
          limits_(limits),
          signatures_(signatures),
          checks_(checks) {}

    void decide(BatchItem& item) {
        std::visit([&](const auto& request) { decide_request(item, request); }, *item.request);
    }

private:
    void decide_request(BatchItem& item, const PaymentRequest& request) {
        if (!is_allowed(channel_.terms->config, request)) {
            item.outcome = Refusal{Error::forbidden};
            return;
        }
        if (item.suspect && answered_before(item, request)) return;
        if (request.refusal) {
            item.outcome = *request.refusal;
            return;
        }
        std::visit([&](const auto& command) { decide_command(item, command); }, request.command);
        if (item.suspect && std::holds_alternative<BatchItem::Accepted>(item.outcome))
            fresh_[inference_of(request)].push_back(&item);
    }

    /// Idempotency: the same request again is answered with the first result; the same inference
    /// with other content is a conflict (stream-protocol, Conventions).
    bool answered_before(BatchItem& item, const PaymentRequest& request) {
        const auto& inference = inference_of(request);
        const bool opens = opens_inference(request);
        bool opened = false;
        bool paid_at_once = false;
        const auto matches = [&](PaymentKind kind, std::int32_t step, const ContentHash& content) {
            if (step == 0) {
                opened = true;
                paid_at_once = kind == PaymentKind::pay;
            }
            return (step == 0) == opens && content == item.content;
        };
        if (const auto found = history_.find({channel_.terms->id, inference});
            found != history_.end()) {
            for (const auto& step : found->second) {
                if (!matches(step.kind, step.step, step.content)) continue;
                item.outcome = BatchItem::Repeated{step, nullptr};
                return true;
            }
        }
        if (const auto found = fresh_.find(inference); found != fresh_.end()) {
            for (const auto* first : found->second) {
                const auto& accepted = std::get<BatchItem::Accepted>(first->outcome);
                if (!matches(accepted.kind, accepted.step, first->content)) continue;
                item.outcome = BatchItem::Repeated{{accepted.kind, accepted.step, first->content,
                                                    accepted.result, payment_of(*first)->detail},
                                                   first};
                return true;
            }
        }
        if (!opened) return false;
        const bool reserved = channel_.state.reservations.contains(inference);
        if (!opens && (reserved || paid_at_once)) return false;
        item.outcome = Refusal{Error::idempotency_conflict};
        return true;
    }

    void decide_command(BatchItem& item, const channel::Pay& pay) {
        const auto decision = channel::decide(channel_.state, pay);
        if (!decision.accepted())
            item.outcome = decision.refusal();
        else
            accept(item, PaymentKind::pay, pay.inference, 0, pay.amount, pay.amount, &pay.voucher,
                   decision.event());
    }

    void decide_command(BatchItem& item, const channel::Authorize& authorize) {
        const auto decision = channel::decide(channel_.state, authorize, limits_);
        if (!decision.accepted())
            item.outcome = decision.refusal();
        else
            accept(item, PaymentKind::authorize, authorize.inference, 0, authorize.max_amount, {},
                   authorize.voucher ? &*authorize.voucher : nullptr, decision.event());
    }

    void decide_command(BatchItem& item, const channel::Accept& given) {
        const auto decision = channel::decide(channel_.state, given);
        if (!decision.accepted())
            item.outcome = decision.refusal();
        else
            accept(item, PaymentKind::authorize, given.inference, 0, given.max_amount, {},
                   &given.voucher, decision.event());
    }

    void decide_command(BatchItem& item, const channel::Charge& charge) {
        const auto decision = channel::decide(channel_.state, charge);
        if (!decision.accepted())
            item.outcome = decision.refusal();
        else
            accept(item, PaymentKind::charge, charge.inference, next_step(charge.inference),
                   charge.amount, decision.event().increment, nullptr, decision.event());
    }

    void decide_command(BatchItem& item, const channel::Release& release) {
        const auto decision = channel::decide(channel_.state, release);
        if (!decision.accepted())
            item.outcome = decision.refusal();
        else
            accept(item, PaymentKind::release, release.inference, next_step(release.inference), {},
                   {}, nullptr, decision.event());
    }

    std::int32_t next_step(const channel::InferenceId& inference) const {
        return static_cast<std::int32_t>(channel_.state.reservations.at(inference).steps);
    }

    template <class Event>
    void accept(BatchItem& item, PaymentKind kind, const channel::InferenceId& inference,
                std::int32_t step, channel::Amount amount, channel::Amount increment,
                const channel::SignedVoucher* voucher, const Event& event) {
        const bool prove_now = voucher && signatures_of(item) == Signatures::at_once;
        if (prove_now && !is_signed(item, payment_of(item)->verdict, *voucher)) {
            item.outcome = Refusal{Error::voucher_signature};
            return;
        }
        channel::apply(channel_.state, event);
        const auto& state = channel_.state;
        item.outcome = BatchItem::Accepted{
            kind,
            step,
            PaymentResult{0, channel_.terms->id, inference, amount, state.charged, state.reserved,
                          state.signed_max, state.balance},
            increment,
            voucher,
            prove_now,
            nullptr};
    }

    /// No later voucher stands in for one that the receiver hands in: the payer, who does not ask
    /// here, has signed the later one for something else.
    Signatures signatures_of(const BatchItem& item) const {
        const auto& command = payment_of(item)->command;
        return std::holds_alternative<channel::Accept>(command) ? Signatures::at_once : signatures_;
    }

    bool is_signed(const BatchItem& item, ContractVerdict verdict,
                   const channel::SignedVoucher& voucher) {
        if (channel_.terms->voucher_signer == channel::VoucherSigner::contract)
            return verdict == ContractVerdict::valid;
        ++checks_.count;
        if (item.is_signed) return true;
        if (checks_.entered) checks_.entered(BatchStage::verify);
        const bool good = check_signature(channel_, voucher);
        if (checks_.entered) checks_.entered(BatchStage::decide);
        return good;
    }

    void decide_request(BatchItem& item, const OpenChannel& request) {
        if (item.suspect || channel_.opened) {
            item.outcome = BatchItem::Nothing{};
            return;
        }
        // Only what is unclaimed is under our care; what was claimed before has left the books.
        auto& state = channel_.state;
        const auto& snapshot = request.snapshot;
        state.refund_nonce = snapshot.refund_nonce;
        if (!snapshot.balance.is_zero())
            channel::apply(state, channel::DepositConfirmed{snapshot.balance}).value();
        if (!snapshot.total_claimed.is_zero())
            channel::apply(state, channel::ClaimConfirmed{snapshot.total_claimed}).value();
        if (snapshot.withdraw_requested_at != 0)
            channel::apply(state, channel::WithdrawalRequested{snapshot.withdraw_requested_at,
                                                               snapshot.withdraw_amount})
                .value();
        const auto unclaimed = channel::subtract(snapshot.balance, snapshot.total_claimed);
        item.outcome = BatchItem::Changed{state.balance.is_zero() ? "pending" : "opened",
                                          unclaimed ? *unclaimed : channel::Amount{},
                                          {},
                                          state,
                                          snapshot.withdraw_requested_at};
    }

    void decide_request(BatchItem& item, const PostChannelEvent& request) {
        if (item.suspect) {
            item.outcome = BatchItem::Nothing{};
            return;
        }
        if (item.standing.kind == Standing::elsewhere) {
            item.outcome = Refusal{Error::idempotency_conflict};
            return;
        }
        const bool was_empty = channel_.state.balance.is_zero();
        const auto* requested = std::get_if<channel::WithdrawalRequested>(&request.event);
        const auto requested_at =
            requested ? requested->requested_at : channel_.state.withdraw_requested_at;
        const auto withdraw_amount = channel_.state.withdraw_amount;
        const auto effect =
            std::visit([&](const auto& event) { return channel::apply(channel_.state, event); },
                       request.event);
        if (!effect) {
            item.outcome = Refusal{Error::invalid_params};
            return;
        }
        item.outcome = BatchItem::Changed{event_name(request.event, was_empty),
                                          amount_of(request.event, *effect),
                                          *effect,
                                          channel_.state,
                                          requested_at,
                                          withdraw_amount};
    }

    void decide_request(BatchItem& item, const UndoChannelEvent&) {
        if (!item.undoes) {
            item.outcome = BatchItem::Nothing{};
            return;
        }
        const bool reopens = item.undoes->kind == "withdraw_initiated";
        changed(item, reopens ? "reopened" : "reversed", undo(channel_.state, *item.undoes));
    }

    void decide_request(BatchItem& item, const ReplaceSnapshot& request) {
        if (!item.undoes || item.undoes->kind != kOpened) {
            item.outcome = BatchItem::Nothing{};
            return;
        }
        const auto contract = channel::mirror_of(request.snapshot);
        changed(item, "reversed", apply(channel_.state, channel::SnapshotReplaced{contract}));
    }

    void decide_request(BatchItem& item, const ReconcileChannel& request) {
        const auto contract = channel::mirror_of(request.contract);
        if (!channel_.state.in_doubt || !channel::agrees(channel_.state, contract)) {
            item.outcome = BatchItem::Nothing{};
            return;
        }
        channel::apply(channel_.state, channel::Reconciled{contract});
        item.outcome = BatchItem::Changed{"reconciled", {}, {}, channel_.state};
    }

    void changed(BatchItem& item, std::string name,
                 const channel::Result<channel::ChainEffect>& effect) {
        if (effect)
            item.outcome =
                BatchItem::Changed{std::move(name), item.undoes->amount, *effect, channel_.state};
        else
            item.outcome = Refusal{Error::invalid_params};
    }

    void decide_request(BatchItem&, const PostAssetEvent&) {}
    void decide_request(BatchItem&, const UndoAssetEvent&) {}

    void decide_request(BatchItem& item, const BeginRefund& request) {
        const auto& voucher = request.asked.voucher;
        const auto decision = channel::decide(channel_.state, request.asked);
        if (!may_ask_for_refund(channel_.terms->config, request.caller)) {
            item.outcome = Refusal{Error::forbidden};
        } else if (!decision.accepted()) {
            item.outcome = decision.refusal();
        } else if (!is_signed(item, request.verdict, voucher)) {
            item.outcome = Refusal{Error::voucher_signature};
        } else {
            channel::apply(channel_.state, decision.event());
            item.outcome =
                BatchItem::Changed{"refunding", decision.event().amount, {}, channel_.state};
        }
    }

    void decide_request(BatchItem& item, const AbandonRefund& request) {
        item.outcome = BatchItem::Nothing{};
        if (channel::apply(channel_.state, request.abandoned))
            item.outcome =
                BatchItem::Changed{"refund_failed", request.abandoned.amount, {}, channel_.state};
    }

    std::string event_name(const ChannelChainEvent& event, bool was_empty) const {
        if (std::holds_alternative<channel::DepositConfirmed>(event))
            return was_empty ? "opened" : "topped_up";
        if (std::holds_alternative<channel::ClaimConfirmed>(event)) return "claimed";
        if (std::holds_alternative<channel::WithdrawalRequested>(event)) return "closing";
        if (std::holds_alternative<channel::RefundConfirmed>(event)) return "refunded";
        return channel_.state.status == channel::Status::closed ? "closed" : "withdrawn";
    }

    static channel::Amount amount_of(const ChannelChainEvent& event,
                                     const channel::ChainEffect& effect) {
        const auto* deposit = std::get_if<channel::DepositConfirmed>(&event);
        return deposit ? deposit->amount : effect.moved;
    }

    LiveChannel& channel_;
    const PaymentHistory& history_;
    const channel::Limits& limits_;
    Signatures signatures_;
    Checks& checks_;
    std::unordered_map<channel::InferenceId, std::vector<const BatchItem*>> fresh_;
};

/// The same without v, which costs a sixth less. Proves that the payer signed, and nothing that may
/// be stored: with the other v the contract would find another signer. Once the signer is known.
bool check_without_v(const LiveChannel& channel, const channel::SignedVoucher& voucher) {
    const auto* const signature = voucher.signature.as_of_key();
    return signature && channel::check_form(*signature) && channel.signer &&
           channel::verify(digest_of(channel, voucher), *signature, *channel.signer);
}

/// False as soon as a signature is bad. What an event says of the channel is stored with the
/// signature of the highest voucher so far: the newest voucher before each event is covered by
/// nothing behind it.
bool check_newest_first(LiveChannel& channel, const std::vector<BatchItem*>& items,
                        Checking checking, std::uint64_t& checks) {
    const BatchItem* cover = nullptr;
    channel::Amount covered_to;
    for (auto it = items.rbegin(); it != items.rend(); ++it) {
        if (std::holds_alternative<BatchItem::Changed>((*it)->outcome)) {
            cover = nullptr;
            continue;
        }
        auto* accepted = std::get_if<BatchItem::Accepted>(&(*it)->outcome);
        if (!accepted || !accepted->voucher) continue;
        const auto& voucher = *accepted->voucher;
        const bool below = cover && voucher.max_claimable <= covered_to;
        if (below && accepted->proven) continue;
        if (below) {
            accepted->covered_by = cover;
            if (checking == Checking::newest_first) continue;
            ++checks;
            if (!(*it)->is_signed && !check_without_v(channel, voucher)) return false;
            continue;
        }
        if (!accepted->proven) {
            ++checks;
            if (!(*it)->is_signed && !check_signature(channel, voucher)) return false;
            accepted->proven = true;
        }
        cover = *it;
        covered_to = voucher.max_claimable;
    }
    return true;
}

/// Of several vouchers for one amount the state kept the first, whoever signed it: puts the one
/// that was proven in its place, in the channel and in what its events say of it.
void keep_proven(LiveChannel& channel, channel::Amount signed_before,
                 const std::vector<BatchItem*>& items) {
    const channel::SignedVoucher* highest = nullptr;
    for (auto* item : items) {
        if (const auto* accepted = std::get_if<BatchItem::Accepted>(&item->outcome)) {
            if (!accepted->proven) continue;
            const auto most = highest ? highest->max_claimable : signed_before;
            if (accepted->voucher->max_claimable > most) highest = accepted->voucher;
        } else if (auto* changed = std::get_if<BatchItem::Changed>(&item->outcome)) {
            if (highest) changed->state.signature = highest->signature;
        }
    }
    if (highest) channel.state.signature = highest->signature;
}

}  // namespace

const channel::SignedVoucher* voucher_of(const BatchItem& item) {
    const auto* payment = payment_of(item);
    if (!payment) return nullptr;
    return std::visit(
        [](const auto& command) -> const channel::SignedVoucher* {
            using Command = std::decay_t<decltype(command)>;
            if constexpr (std::is_same_v<Command, channel::Pay> ||
                          std::is_same_v<Command, channel::Accept>)
                return &command.voucher;
            else if constexpr (std::is_same_v<Command, channel::Authorize>)
                return command.voucher ? &*command.voucher : nullptr;
            else
                return nullptr;
        },
        payment->command);
}

std::vector<BatchItem*> likely_checks(const LiveChannel& channel,
                                      const std::vector<BatchItem*>& items, Checking checking) {
    std::vector<BatchItem*> found;
    bool is_covered = false;
    for (auto it = items.rbegin(); it != items.rend(); ++it) {
        if (!voucher_of(**it)) continue;
        const auto& request = *payment_of(**it);
        // A stranger's is refused before anybody looks at its signature.
        if (!is_allowed(channel.terms->config, request)) continue;
        const bool is_accepted = std::holds_alternative<channel::Accept>(request.command);
        if (!is_covered || is_accepted || checking == Checking::each) found.push_back(*it);
        is_covered = true;
    }
    return found;
}

bool decide_channel(LiveChannel& channel, const std::vector<BatchItem*>& items,
                    const PaymentHistory& history, const channel::Limits& limits, Checks& checks) {
    // A contract has judged each voucher by itself: what it says of one says nothing of another.
    const bool of_key = channel.terms->voucher_signer == channel::VoucherSigner::key;
    const auto signatures = of_key ? Run::Signatures::later : Run::Signatures::at_once;
    Run run(channel, history, limits, signatures, checks);
    for (auto* item : items) run.decide(*item);
    return of_key;
}

void check_channel(LiveChannel& channel, const channel::State& before,
                   const std::vector<BatchItem*>& items, const PaymentHistory& history,
                   const channel::Limits& limits, Checking checking, Checks& checks) {
    if (check_newest_first(channel, items, checking, checks.count)) {
        keep_proven(channel, before.signed_max, items);
        return;
    }
    channel.state = before;
    Run strict(channel, history, limits, Run::Signatures::at_once, checks);
    for (auto* item : items) strict.decide(*item);
}

}  // namespace millrace::ledger
