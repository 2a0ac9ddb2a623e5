#include "ledger/channel_batch.hpp"
#include "ledger/event_data.hpp"
#include "ledger/reversal.hpp"

namespace millrace::ledger {
namespace {

/// Everything charged since the last event of the chain, as one transfer.
struct Charges {
    channel::Uint128 sum = 0;
    Ordinal first = 0;
    Ordinal last = 0;

    void add(channel::Amount increment, Ordinal ordinal) {
        if (increment.is_zero()) return;
        if (sum == 0) first = ordinal;
        sum += increment.units();
        last = ordinal;
    }

    void flush(Batch& batch, const ChannelTerms& terms) {
        add_transfer(batch, {last, 0, channel_account(terms),
                             earned_account(terms.asset_id, terms.config.receiver),
                             channel::Amount{sum}, "payment", first});
        sum = 0;
    }
};

void add_payment(Batch& batch, const ChannelTerms& terms, BatchItem& item,
                 const BatchItem::Accepted& accepted, Charges& charges) {
    PaymentRow row{item.ordinal,
                   &terms,
                   accepted.kind,
                   accepted.step,
                   item.content,
                   accepted.result,
                   accepted.increment,
                   {},
                   {},
                   {},
                   std::get<PaymentRequest>(*item.request).detail};
    if (accepted.voucher) {
        row.voucher_max = accepted.voucher->max_claimable;
        if (accepted.proven)
            row.signature = accepted.voucher->signature;
        else
            row.covered_by = accepted.covered_by->ordinal;
    }
    charges.add(accepted.increment, item.ordinal);
    batch.payments.push_back(std::move(row));
}

struct Legs {
    Batch& batch;
    Ordinal ordinal;
    std::int32_t next = 0;

    void add(AccountKey debit, AccountKey credit, channel::Amount amount, std::string_view cause) {
        if (amount.is_zero()) return;
        add_transfer(
            batch, {ordinal, next++, std::move(debit), std::move(credit), amount, cause, ordinal});
    }
};

void add_transfers(Batch& batch, const ChannelTerms& terms, const BatchItem& item,
                   const BatchItem::Changed& changed) {
    const auto escrow = escrow_account(terms.asset_id);
    const auto mine = channel_account(terms);
    const auto earned = earned_account(terms.asset_id, terms.config.receiver);
    const auto claimed = claimed_account(terms.asset_id, terms.config.receiver);
    Legs legs{batch, item.ordinal};
    const auto* posted = std::get_if<PostChannelEvent>(item.request);
    if (!posted) {
        // A refund moves nothing until the chain has carried it out.
        if (std::holds_alternative<OpenChannel>(*item.request))
            legs.add(escrow, mine, changed.amount, "deposit");
        return;
    }
    legs.add(mine, earned, changed.effect.charged_after_the_fact, "charged_after_the_fact");
    legs.add(earned, mine, changed.effect.uncollectable, "uncollectable");
    legs.add(mine, earned, changed.effect.recharged, "recharged");
    std::visit(
        [&](const auto& event) {
            using Event = std::decay_t<decltype(event)>;
            if constexpr (std::is_same_v<Event, channel::DepositConfirmed>)
                legs.add(escrow, mine, event.amount, "deposit");
            else if constexpr (std::is_same_v<Event, channel::ClaimConfirmed>)
                legs.add(earned, claimed, changed.effect.moved, "claim");
            else if constexpr (std::is_same_v<Event, channel::WithdrawalFinalized>)
                legs.add(mine, escrow, event.amount, "withdrawal");
            else if constexpr (std::is_same_v<Event, channel::RefundConfirmed>)
                legs.add(mine, escrow, event.amount, "refund");
        },
        posted->event);
}

void add_undoing(Batch& batch, const ChannelTerms& terms, const BatchItem& item,
                 const BatchItem::Changed& changed) {
    const auto mine = channel_account(terms);
    const auto earned = earned_account(terms.asset_id, terms.config.receiver);
    const std::vector<Adjustment> adjustments{
        {earned, mine, changed.effect.uncollectable, "uncollectable"},
        {mine, earned, changed.effect.recharged, "recharged"}};
    Legs legs{batch, item.ordinal};
    legs.next = add_reversal(batch, item.ordinal, *item.undoes, adjustments);
    if (std::holds_alternative<ReplaceSnapshot>(*item.request))
        legs.add(escrow_account(terms.asset_id), mine, changed.effect.moved, "deposit");
}

void add_opening(Batch& batch, const BatchItem& item, channel::Network network,
                 const ChannelTerms& terms, const BlockId& block, const channel::State& snapshot) {
    batch.openings.push_back(
        {item.ordinal, network, terms.id, block, snapshot.balance, snapshot.total_claimed});
}

std::string_view kind_of(const ChannelChainEvent& event) {
    constexpr std::string_view kKinds[] = {"deposited", "claimed", "withdraw_initiated",
                                           "withdraw_finalized", "refunded"};
    return kKinds[event.index()];
}

void add_change(Batch& batch, const LiveChannel& channel, const BatchItem& item,
                const BatchItem::Changed& changed) {
    const auto& terms = *channel.terms;
    const auto network = channel.asset->network;
    if (item.undoes)
        add_undoing(batch, terms, item, changed);
    else if (!std::holds_alternative<ReconcileChannel>(*item.request))
        add_transfers(batch, terms, item, changed);
    if (const auto* posted = std::get_if<PostChannelEvent>(item.request))
        batch.chain_events.push_back({item.ordinal, network, posted->log, kind_of(posted->event),
                                      terms.id, changed.amount, item.standing.inclusions,
                                      changed.requested_at, changed.withdraw_amount});
    else if (const auto* open = std::get_if<OpenChannel>(item.request))
        add_opening(batch, item, network, terms, open->block, open->snapshot);
    else if (const auto* again = std::get_if<ReplaceSnapshot>(item.request))
        add_opening(batch, item, network, terms, again->block, again->snapshot);
    batch.events.push_back(
        {item.ordinal, changed.name, &terms,
         channel_event_data(changed.name, terms, changed.state, *channel.asset, changed.amount)});
}

void add_reservations(Batch& batch, const LiveChannel& channel, const channel::State& before) {
    const auto& after = channel.state.reservations;
    for (const auto& [inference, reservation] : after) {
        const auto old = before.reservations.find(inference);
        if (old == before.reservations.end() || old->second != reservation)
            batch.reservations.push_back({channel.terms.get(), inference, reservation});
    }
    for (const auto& [inference, reservation] : before.reservations)
        if (!after.contains(inference))
            batch.reservations.push_back({channel.terms.get(), inference, std::nullopt});
}

}  // namespace

void add_rows(Batch& batch, const LiveChannel& channel, const channel::State& before,
              const std::vector<BatchItem*>& items) {
    const auto& terms = *channel.terms;
    Charges charges;
    for (auto* item : items) {
        if (const auto* accepted = std::get_if<BatchItem::Accepted>(&item->outcome)) {
            add_payment(batch, terms, *item, *accepted, charges);
        } else if (const auto* changed = std::get_if<BatchItem::Changed>(&item->outcome)) {
            charges.flush(batch, terms);
            add_change(batch, channel, *item, *changed);
        }
    }
    charges.flush(batch, terms);
    Ordinal last = 0;
    for (const auto* item : items) last = std::max(last, item->ordinal);
    if (last == 0) return;
    batch.channels.push_back({&terms, &channel.state, last});
    add_reservations(batch, channel, before);
}

}  // namespace millrace::ledger
