#include "api/cli/demo/report.hpp"

#include "channel/hex.hpp"
#include "ledger/account_reader.hpp"
#include "ledger/channel_reader.hpp"
#include "ledger/payment_totals_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::api {
namespace {

constexpr std::size_t kPage = 500;

/// Commits of the whole run.
struct Span {
    ledger::Time first = ledger::Time::max();
    ledger::Time last = ledger::Time::min();

    void add(const ledger::PaymentTotals& totals) {
        first = std::min(first, totals.first);
        last = std::max(last, totals.last);
    }
    std::uint64_t milliseconds() const {
        if (last <= first) return 0;
        return static_cast<std::uint64_t>((last - first) / std::chrono::milliseconds{1});
    }
};

std::uint64_t& counter_of(DemoReport& report, ledger::PaymentKind kind) {
    switch (kind) {
        case ledger::PaymentKind::pay:
            return report.paid;
        case ledger::PaymentKind::authorize:
            return report.authorized;
        case ledger::PaymentKind::charge:
            return report.charged;
        case ledger::PaymentKind::release:
            break;
    }
    throw std::runtime_error("the demo releases nothing, yet a release is on record");
}

void read_payments(DemoReport& report, ledger::Snapshot& snapshot, const DemoChain& chain) {
    Span span;
    for (const auto& provider : report.expected.providers) {
        DemoProviderFigures figures;
        figures.address = provider;
        for (const auto& totals : ledger::read_payment_totals(snapshot, provider)) {
            counter_of(report, totals.kind) += totals.count;
            figures.charged = channel::add(figures.charged, totals.charged).value();
            span.add(totals);
        }
        figures.received = chain.tokens_of(provider);
        figures.settled = chain.receiver(provider).total_settled;
        report.providers.push_back(figures);
    }
    report.stream_milliseconds = span.milliseconds();
}

void read_escrow(DemoReport& report, ledger::Snapshot& snapshot, const DemoChain& chain,
                 const DemoNetwork& network) {
    const ledger::AccountId escrow{network.network, network.token, "escrow", {}};
    if (const auto account = ledger::read_account(snapshot, escrow))
        report.escrow_ledger = account->balance;
    report.escrow_contract = chain.tokens_of(network.contract);
}

void compare_channels(DemoReport& report, pqxx::connection& connection, const DemoChain& chain) {
    for (const auto& provider : report.expected.providers) {
        ledger::ChannelQuery query;
        query.address = provider;
        query.limit = kPage;
        for (;;) {
            const auto page = ledger::list_channels(connection, query);
            for (const auto& record : page) {
                const auto on_chain = chain.channel(record.terms.id);
                const bool equal = on_chain.balance == record.state.balance &&
                                   on_chain.total_claimed == record.state.total_claimed;
                ++report.channels;
                report.channels_differing += equal ? 0 : 1;
            }
            if (page.size() < kPage) break;
            query.after = page.back().terms.id;
        }
    }
}

}  // namespace

std::uint64_t DemoReport::updates_per_second() const {
    return updates() * 1000 / std::max<std::uint64_t>(stream_milliseconds, 1);
}

std::vector<std::string> DemoReport::faults() const {
    std::vector<std::string> faults;
    const auto equal = [&](std::string_view what, std::uint64_t found, std::uint64_t due) {
        if (found != due) faults.push_back(fmt::format("{}: {}, not {}", what, found, due));
    };
    equal("payments on record", payments(), expected.payments);
    equal("authorizations on record", authorized, expected.authorized);
    equal("charges on record", charged, expected.authorized);
    equal("updates on record, of those acknowledged", updates(), expected.acknowledged);
    equal("channels on record", channels, expected.channels);
    equal("channels that differ on chain", channels_differing, 0);
    const auto equal_amounts = [&](const std::string& what, channel::Amount found,
                                   channel::Amount due) {
        if (found != due)
            faults.push_back(fmt::format("{}: {}, not {}", what, channel::to_string(found),
                                         channel::to_string(due)));
    };
    for (const auto& provider : providers) {
        const auto name = channel::to_hex(provider.address);
        equal_amounts("received by " + name, provider.received, provider.charged);
        equal_amounts("settled for " + name, provider.settled, provider.charged);
        if (provider.charged.is_zero()) faults.push_back(name + " has earned nothing");
    }
    equal_amounts("tokens in the contract", escrow_contract, escrow_ledger);
    if (!trial_balance.balanced()) faults.push_back("the trial balance is not zero");
    return faults;
}

DemoReport read_demo_report(const std::string& postgres, const DemoChain& chain,
                            const DemoNetwork& network, const DemoExpectation& expected) {
    pqxx::connection connection(postgres);
    DemoReport report;
    report.expected = expected;
    {
        ledger::Snapshot snapshot(connection, std::chrono::seconds{60});
        read_payments(report, snapshot, chain);
        report.trial_balance = ledger::read_trial_balance(snapshot, snapshot.seq());
        read_escrow(report, snapshot, chain, network);
    }
    compare_channels(report, connection, chain);
    report.gas = chain.gas_since(expected.first_block);
    return report;
}

}  // namespace millrace::api
