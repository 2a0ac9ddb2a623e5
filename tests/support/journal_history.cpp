#include "tests/support/journal_history.hpp"

#include "channel/config.hpp"
#include "ledger/channel_store.hpp"
#include "tests/support/answers.hpp"

#include <algorithm>

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

namespace support {
namespace {

constexpr std::uint64_t kDeposit = 1'000'000;

std::uint64_t number(channel::Amount amount) {
    return static_cast<std::uint64_t>(amount.units());
}

/// Of the kinds that there are: signed for by the payer, by its authorizer or by a contract, with
/// an app's name, with an odd one and with none.
Payer payer_of_kind(const Books& books, unsigned n) {
    auto app = payer(books, n + 1, n % 2);
    if (n % 3 == 1) {
        app.terms.config.payer_authorizer = app.secret.address();
        app.terms.config.payer = key(500 + n).address();
    }
    if (n % 4 == 3) app.terms.voucher_signer = channel::VoucherSigner::contract;
    if (n % 5 == 2) app.terms.app.clear();
    if (n % 5 == 3) app.terms.app = "\"caf\xc3\xa9\" \\ \x01";
    app.terms.id = channel::channel_id(app.separator, app.terms.config);
    return app;
}

channel::SignedVoucher* voucher_of(ledger::PaymentRequest& request) {
    if (auto* pay = std::get_if<channel::Pay>(&request.command)) return &pay->voucher;
    if (auto* accept = std::get_if<channel::Accept>(&request.command)) return &accept->voucher;
    auto* authorize = std::get_if<channel::Authorize>(&request.command);
    return authorize && authorize->voucher ? &*authorize->voucher : nullptr;
}

void follow(channel::State& state, const ledger::PaymentCommand& command) {
    std::visit(
        [&](const auto& one) {
            using Command = std::decay_t<decltype(one)>;
            const auto decision = [&] {
                if constexpr (std::is_same_v<Command, channel::Authorize>)
                    return channel::decide(state, one, channel::Limits{});
                else
                    return channel::decide(state, one);
            }();
            if (decision.accepted()) channel::apply(state, decision.event());
        },
        command);
}

}  // namespace

ledger::NoteSigner log_signer(std::uint8_t seed, const std::string& origin) {
    ledger::Ed25519Seed bytes;
    bytes.bytes.fill(seed);
    return {origin, bytes};
}

JournalHistory::JournalHistory(Books& books, std::uint64_t seed, unsigned channels)
    : books_(books),
      random_(seed),
      shard_(books.shard()),
      sealer_(log_signer()),
      database_(books.postgres.service_url()) {
    std::vector<ledger::Request> batch;
    for (unsigned n = 0; n < channels; ++n) {
        channels_.push_back({payer_of_kind(books, n)});
        // The rest is opened in the course of the history.
        if (n == 0) batch.push_back(channels_.back().app.open(kDeposit));
    }
    process(std::move(batch), false);
}

void JournalHistory::run(unsigned batches, unsigned seal_one_in) {
    for (unsigned n = 0; n < batches; ++n) {
        now_ += std::chrono::milliseconds(1 + below(90'000'000));
        std::vector<ledger::Request> batch;
        for (auto& one : channels_)
            for (auto times = below(4); times > 0; --times) add(batch, one);
        if (one_in(4)) post_of_asset(batch);
        process(std::move(batch));
        if (one_in(8)) reorganise();
        if (one_in(seal_one_in)) seal();
    }
    seal();
}

std::uint64_t JournalHistory::seal() {
    books_.catch_up();
    return sealer_.seal(database_, 1'000'000, now_);
}

std::uint64_t JournalHistory::part_of(std::uint64_t amount) {
    if (amount == 0) return 0;
    return one_in(3) ? amount : 1 + below(amount);
}

void JournalHistory::add(std::vector<ledger::Request>& batch, Channel& one) {
    if (!one.is_opened) {
        if (one_in(3)) open(batch, one);
        return;
    }
    if (one.plan.in_doubt && one_in(2)) return reconcile(batch, one);
    const bool is_open = one.plan.status == channel::Status::open;
    if (below(is_open ? 4 : 2) == 0) return chain(batch, one);
    if (!one.plan.reservations.empty() && one_in(3)) return charge(batch, one);
    if (one_in(3)) return authorize(batch, one);
    if (!sent_.empty() && one_in(10)) {
        batch.push_back(sent_[below(sent_.size())]);
        return;
    }
    pay(batch, one);
}

void JournalHistory::open(std::vector<ledger::Request>& batch, Channel& one) {
    auto request = one.app.open(0);
    request.snapshot = snapshot();
    request.block = {next_log().block_number, {}};
    one.plan = request.snapshot;
    one.is_opened = true;
    batch.push_back(std::move(request));
}

/// The contract's state of a channel that may have been used before.
channel::State JournalHistory::snapshot() {
    channel::State state;
    if (one_in(4)) return state;
    state.balance = units(1 + below(kDeposit));
    if (one_in(2)) state.total_claimed = units(part_of(number(state.balance)));
    state.refund_nonce = below(3);
    const auto left = number(state.balance) - number(state.total_claimed);
    if (left > 0 && one_in(5)) {
        state.withdraw_requested_at = 1'700'000'000 + below(1'000'000);
        state.withdraw_amount = units(part_of(left));
    }
    return state;
}

/// At least what is used and the amount, at most what may be spent; often no higher than the one
/// before, sometimes lower or the same.
std::uint64_t JournalHistory::voucher_for(const Channel& one, std::uint64_t amount) {
    const auto& plan = one.plan;
    const auto least = number(plan.charged) + number(plan.reserved) + amount;
    const auto most = number(channel::spendable(plan));
    const auto before = number(plan.signed_max);
    if (one_in(3) && before >= least && before <= most) return before;
    return std::max(least, std::min(most, least + below(2) * below(200)));
}

ledger::ContractVerdict JournalHistory::sign(const Channel& one, channel::SignedVoucher& voucher) {
    using ledger::ContractVerdict;
    if (one.app.terms.voucher_signer == channel::VoucherSigner::contract) {
        constexpr std::size_t kLengths[] = {1, 64, 65, 66, 130, 700, 2048};
        channel::Bytes bytes(kLengths[below(std::size(kLengths))]);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(below(256));
        voucher.signature = channel::VoucherSignature::from_bytes(bytes).value();
        return one_in(12) ? ContractVerdict::none : ContractVerdict::valid;
    }
    voucher = one.app.voucher(number(voucher.max_claimable));
    auto signature = *voucher.signature.as_of_key();
    const auto how = below(24);
    if (how == 0) signature.bytes[64] ^= 27 ^ 28;
    if (how == 1) signature.bytes[40] ^= 1;
    voucher.signature = signature;
    return one_in(2) ? ContractVerdict::none : ContractVerdict::valid;
}

void JournalHistory::send(std::vector<ledger::Request>& batch, Channel& one,
                          ledger::PaymentRequest request) {
    if (auto* voucher = voucher_of(request)) request.verdict = sign(one, *voucher);
    follow(one.plan, request.command);
    sent_.push_back(request);
    batch.push_back(std::move(request));
}

/// Several at once: the last voucher covers those before it.
void JournalHistory::pay(std::vector<ledger::Request>& batch, Channel& one) {
    for (auto times = 1 + below(5); times > 0; --times) {
        const auto amount = 1 + below(300);
        send(batch, one,
             one.app.pay("pay-" + std::to_string(++next_), amount, voucher_for(one, amount),
                         R"({"model":"m\u00e9 \"quoted\""})"));
    }
}

void JournalHistory::authorize(std::vector<ledger::Request>& batch, Channel& one) {
    const auto most = 1 + below(500);
    if (one.plan.reservations.empty() && one_in(2))
        return send(batch, one,
                    one.app.accept("web-" + std::to_string(++next_), most,
                                   number(one.plan.charged) + most));
    auto request =
        one.app.authorize("work-" + std::to_string(++next_), most, voucher_for(one, most));
    if (one_in(4)) std::get<channel::Authorize>(request.command).voucher.reset();
    send(batch, one, std::move(request));
}

void JournalHistory::charge(std::vector<ledger::Request>& batch, Channel& one) {
    std::vector<std::string> open;
    for (const auto& [id, unused] : one.plan.reservations) open.emplace_back(id.text());
    std::sort(open.begin(), open.end());
    const auto id = open[below(open.size())];
    for (auto times = 1 + below(3); times > 0; --times) {
        const auto found = one.plan.reservations.find(inference(id));
        if (found == one.plan.reservations.end()) return;
        const auto charged = number(found->second.charged);
        const auto rest = number(found->second.max_amount) - charged;
        if (one_in(6)) return send(batch, one, one.app.release(id));
        const bool is_final = one_in(3);
        // In part up to the maximum, so that nothing is left to charge, or in the end no more.
        const auto more = is_final && one_in(3) ? 0 : part_of(rest + below(20) / 19);
        send(batch, one,
             one.app.charge(id, charged + more,
                            is_final ? channel::Finality::final : channel::Finality::partial));
    }
}

void JournalHistory::process(std::vector<ledger::Request> batch, bool may_refuse) {
    if (batch.empty()) return;
    const auto sent = batch;
    auto answers = shard_.process(std::move(batch), now_);
    // Where posting takes long, a batch that waits for it is refused as a whole, to be repeated.
    for (int repeats = 0; repeats < 20 && is_unavailable(answers.front()); ++repeats)
        answers = shard_.process(sent, now_);
    for (std::size_t at = 0; at < answers.size(); ++at) {
        if (const auto* refusal = std::get_if<channel::Refusal>(&answers[at].outcome)) {
            if (!may_refuse || refusal->error == channel::Error::unavailable)
                FAIL("refused: " << channel::reason(refusal->error) << " " << shard_.take_error());
        } else if (const auto* changed =
                       std::get_if<ledger::ChannelChanged>(&answers[at].outcome)) {
            const auto* posted = std::get_if<ledger::PostChannelEvent>(&sent[at]);
            if (posted && changed->seq != 0) posted_.emplace(changed->seq, *posted);
        }
    }
    // Several batches are posted at once where nobody waits for each.
    if (books_.posts_behind() && !one_in(3)) return;
    books_.catch_up();
    look();
}

void JournalHistory::look() {
    for (auto& stored : ledger::load_channels(database_, 0, 1))
        for (auto& one : channels_)
            if (one.app.terms.id == stored.terms->id) {
                one.is_opened = stored.seq != 0;
                one.plan = std::move(stored.state);
            }
}

}  // namespace support
