#include "tests/support/ledger_fixture.hpp"

#include "channel/config.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "ledger/poster.hpp"

#include <pqxx/pqxx>

#include <stdexcept>

namespace support {
namespace {

const auto kContract =
    *channel::parse_fixed<channel::Address>("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003");

channel::Address address(std::uint8_t fill) {
    channel::Address filled;
    filled.bytes.fill(fill);
    return filled;
}

}  // namespace

channel::SecretKey key(unsigned n) {
    return std::move(
        channel::SecretKey::from_bytes(channel::keccak256("key " + std::to_string(n)).view())
            .value());
}

channel::Amount units(std::uint64_t n) {
    return channel::Amount{n};
}

Books::Books(Posting posting) : posting_(posting) {
    pqxx::connection connection(postgres.service_url());
    const channel::Network network{31337};
    const auto separator = channel::domain_separator(channel::escrow_domain(31337, kContract));
    ledger::Asset dollar{0, network, address(0x70), "USD Coin", "USDC", 6, kContract, separator};
    ledger::Asset ether{0, network, {}, "Ether", "ETH", 18, kContract, separator};
    assets = ledger::register_assets(connection, {dollar, ether});
    for (const auto& [id, asset] : assets) (asset.token.is_zero() ? coin : token) = id;
    ledger::prepare_shards(connection, 1, kNoon);
    if (posting == Posting::behind) poster_ = std::thread([this] { post(); });
}

Books::~Books() {
    order.backlog.close();
    if (poster_.joinable()) poster_.join();
}

void Books::post() {
    constexpr std::chrono::milliseconds kWithin{20};
    constexpr std::size_t kPaymentsMax = 50;
    ledger::Poster poster(postgres.service_url(), std::chrono::seconds{5});
    while (order.backlog.wait_for_work(kWithin) && !stopped_) {
        try {
            auto posted = poster.post(kPaymentsMax);
            if (posted && order.posted) order.posted(std::move(*posted));
            order.backlog.posted(poster.seq());
        } catch (const std::runtime_error&) {
            // A test has cut it off: it tries again.
        }
    }
}

void Books::catch_up() {
    if (!poster_.joinable()) return;
    if (!order.backlog.wait_until_posted(std::chrono::seconds{30}))
        throw std::runtime_error("what is acknowledged is not posted");
}

void Books::stop_posting() {
    stopped_ = true;
    order.backlog.close();
    poster_.join();
}

ledger::Shard Books::shard(const std::string& holder, ledger::Time now,
                           std::chrono::milliseconds commit_timeout) {
    pqxx::connection connection(postgres.service_url());
    const auto lease =
        ledger::take_lease(connection, 0, holder, std::chrono::milliseconds{1000}, now);
    ledger::ShardSettings settings;
    settings.postgres = postgres.service_url();
    settings.commit_timeout = commit_timeout;
    settings.post_later = posts_behind();
    return {std::move(settings), assets, lease.value(), order};
}

std::string Books::query(const std::string& sql) {
    catch_up();
    pqxx::connection connection(postgres.url());
    pqxx::work transaction(connection);
    std::string text;
    for (const auto& row : transaction.exec(sql)) {
        if (!text.empty()) text += '\n';
        for (const auto& field : row)
            text +=
                (field.num() == 0 ? "" : "|") + std::string(field.is_null() ? "-" : field.c_str());
    }
    return text;
}

void Books::change(const std::string& sql) {
    pqxx::connection connection(postgres.url());
    pqxx::work transaction(connection);
    transaction.exec(sql);
    transaction.commit();
}

std::uint64_t Books::take_numbers(std::int64_t count) {
    pqxx::connection connection(postgres.url());
    pqxx::work transaction(connection);
    const auto row = transaction.exec1("update commit_sequence set last_seq = last_seq + " +
                                       std::to_string(count) + " returning last_seq");
    transaction.commit();
    return row[0].as<std::uint64_t>();
}

std::string Books::trial_balance() {
    const auto accounts = query("select coalesce(sum(debits - credits), 0) from account");
    const auto against_transfers = query(R"sql(
        select count(*) from account a
        where a.debits <> (select coalesce(sum(amount), 0) from transfer t
                           where t.asset_id = a.asset_id and t.debit_kind = a.kind
                             and t.debit_owner = a.owner)
           or a.credits <> (select coalesce(sum(amount), 0) from transfer t
                            where t.asset_id = a.asset_id and t.credit_kind = a.kind
                              and t.credit_owner = a.owner))sql");
    return against_transfers == "0" ? accounts : "accounts differ from transfers";
}

channel::InferenceId inference(const std::string& text) {
    return channel::InferenceId::parse(text).value();
}

Payer payer(const Books& books, unsigned n, unsigned receiver) {
    Payer one{key(n), {}, books.assets.at(books.token).escrow_separator};
    auto& config = one.terms.config;
    config.payer = one.secret.address();
    config.receiver = key(900 + receiver).address();
    config.receiver_authorizer = address(0xaa);
    config.token = books.assets.at(books.token).token;
    config.withdraw_delay_seconds = 900;
    one.terms.asset_id = books.token;
    one.terms.id = channel::channel_id(one.separator, config);
    one.terms.app = "tests";
    return one;
}

channel::SignedVoucher Payer::voucher(std::uint64_t max) const {
    return {units(max),
            secret.sign(channel::digest(separator, channel::Voucher{terms.id, units(max)}))};
}

ledger::OpenChannel Payer::open(std::uint64_t balance) const {
    channel::State snapshot;
    snapshot.balance = units(balance);
    return {{}, terms, snapshot};
}

ledger::PaymentRequest Payer::pay(const std::string& id, std::uint64_t amount, std::uint64_t max,
                                  const std::string& detail) const {
    return {{},
            terms.config.payer,
            terms.id,
            channel::Pay{inference(id), units(amount), voucher(max)},
            detail};
}

ledger::PaymentRequest Payer::authorize(const std::string& id, std::uint64_t amount,
                                        std::uint64_t max) const {
    return {{},
            terms.config.payer,
            terms.id,
            channel::Authorize{inference(id), units(amount), voucher(max)},
            "{}"};
}

ledger::PaymentRequest Payer::accept(const std::string& id, std::uint64_t amount,
                                     std::uint64_t max) const {
    return {{},
            terms.config.receiver,
            terms.id,
            channel::Accept{inference(id), units(amount), voucher(max)},
            "{}"};
}

ledger::PaymentRequest Payer::charge(const std::string& id, std::uint64_t amount,
                                     channel::Finality finality) const {
    return {{},
            terms.config.receiver,
            terms.id,
            channel::Charge{inference(id), units(amount), finality},
            "{}"};
}

ledger::PaymentRequest Payer::release(const std::string& id) const {
    return {{}, terms.config.receiver, terms.id, channel::Release{inference(id)}, "{}"};
}

}  // namespace support
