#include "tests/api/chain_stack.hpp"

#include "channel/config.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/permit_transfer.hpp"
#include "channel/receive_authorization.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "tests/api/submit_one.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace support {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kRelayer = 8;
constexpr unsigned kAuthorizer = 9;
constexpr std::uint32_t kGateway = 1;
constexpr auto kPatience = 30s;
/// Unix seconds, in the year 2100.
constexpr std::uint64_t kFarAway = 4'102'444'800;

channel::Digest escrow_separator() {
    return channel::domain_separator(channel::escrow_domain(Anvil::kChainId, escrow_address()));
}

ledger::chain::DepositTerms deposit_terms() {
    ledger::chain::DepositTerms terms;
    terms.erc3009_collector = collector_address();
    return terms;
}

std::filesystem::path temporary_directory() {
    auto pattern = (std::filesystem::temp_directory_path() / "millrace-keys-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    return pattern;
}

}  // namespace

ChainStack::ChainStack(std::vector<std::string> anvil_arguments, Change change)
    : anvil(std::move(anvil_arguments)), directory_(temporary_directory()) {
    write_key("relayer", kRelayer);
    write_key("authorizer", kAuthorizer);
    config.keys.receiver_authorizer_file = directory_ / "authorizer";
    config.keys.relayer_file = directory_ / "relayer";
    config.keys.in_process = true;
    api::NetworkConfig network;
    network.network = {Anvil::kChainId};
    network.rpc_urls = {anvil.url()};
    network.contract = escrow_address();
    network.erc3009_collector = collector_address();
    network.permit2_collector = permit2_collector_address();
    network.confirmations = 1;
    network.poll_interval = 20ms;
    network.rpc_timeout = 5000ms;
    api::TokenConfig token;
    token.address = anvil.token();
    token.name = "USD Coin";
    token.version = "2";
    token.symbol = "USDC";
    token.decimals = 6;
    token.transfer_methods = {api::TransferMethod::eip3009, api::TransferMethod::permit2};
    token.deposit_min = channel::Amount{1000};
    token.signed_value_per_hour_max = channel::Amount{1'000'000'000'000};
    network.tokens = {token};
    config.networks = {network};
    config.ledger.postgres = postgres.service_url();
    if (change) change(config);

    pqxx::connection connection(postgres.service_url());
    std::vector<ledger::Asset> wanted;
    wanted.push_back({0, network.network, anvil.token(), "USD Coin", "USDC", 6, escrow_address(),
                      escrow_separator()});
    wanted.push_back(
        {0, network.network, {}, "Ether", "ETH", 18, escrow_address(), escrow_separator()});
    assets_ = ledger::register_assets(connection, wanted);
}

ChainStack::~ChainStack() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void ChainStack::write_key(const std::string& name, unsigned account) {
    const auto path = directory_ / name;
    std::ofstream(path) << Anvil::key_hex(account) << "\n";
    ::chmod(path.c_str(), 0600);
}

void ChainStack::start() {
    database_ = std::make_unique<api::Database>(postgres.service_url(), 2);
    api::ShardsSettings settings;
    settings.postgres = postgres.service_url();
    settings.shards_wanted = 2;
    settings.holder = "test";
    settings.lease_duration = 1000ms;
    shards_ = std::make_unique<api::Shards>(
        settings, assets_,
        [this](std::uint32_t gateway, std::vector<ledger::Answer> answers) {
            if (gateway == api::ChainService::kGateway)
                chain_->deliver(std::move(answers));
            else
                take(std::move(answers));
        },
        [this](std::span<const ledger::Answer> answers) { publish(answers); },
        [](const std::string& why) { throw std::runtime_error(why); });
    shards_->start([](const std::string&) {});
    chain_ = std::make_unique<api::ChainService>(
        config, assets_, *database_, *shards_,
        [this](const api::ChainService::SettlementEvent& event) {
            const std::lock_guard lock(mutex_);
            settlement_events_.push_back(event);
            changed_.notify_all();
        });
    chain_->start();
}

void ChainStack::stop() {
    if (chain_) chain_->stop();
    if (shards_) shards_->stop();
    chain_.reset();
    shards_.reset();
    database_.reset();
}

const ledger::Asset& ChainStack::asset() const {
    for (const auto& [id, one] : assets_)
        if (!one.token.is_zero()) return one;
    throw std::runtime_error("no token");
}

channel::ChannelConfig ChainStack::terms(unsigned payer, const channel::Address& receiver,
                                         std::uint64_t salt) const {
    return {.payer = Anvil::key(payer).address(),
            .payer_authorizer = {},
            .receiver = receiver,
            .receiver_authorizer = Anvil::key(kAuthorizer).address(),
            .token = anvil.token(),
            .withdraw_delay_seconds = 900,
            .salt = {channel::word_from(salt).bytes}};
}

channel::ChannelId ChainStack::id(const channel::ChannelConfig& config_of) const {
    return channel::channel_id(escrow_separator(), config_of);
}

api::GaslessDeposit ChainStack::deposit(unsigned payer, const channel::ChannelConfig& config_of,
                                        std::uint64_t amount, std::uint64_t salt) const {
    ledger::chain::Erc3009Authorization made;
    made.valid_before = channel::word_from(kFarAway);
    made.salt = channel::word_from(salt);
    const channel::ReceiveAuthorization authorization{
        config_of.payer,  collector_address(), channel::Amount{amount},
        made.valid_after, made.valid_before,   channel::deposit_nonce(id(config_of), made.salt)};
    const auto separator =
        channel::domain_separator({"USD Coin", "2", Anvil::kChainId, anvil.token()});
    const auto signature = Anvil::key(payer).sign(channel::digest(separator, authorization));
    made.signature.assign(signature.bytes.begin(), signature.bytes.end());
    return {channel::Amount{amount}, std::move(made)};
}

api::GaslessDeposit ChainStack::permit2_deposit(unsigned payer,
                                                const channel::ChannelConfig& config_of,
                                                std::uint64_t amount, std::uint64_t nonce) const {
    const channel::PermitTransfer transfer{
        .token = anvil.token(),
        .amount = channel::Amount{amount},
        .spender = permit2_collector_address(),
        .nonce = channel::word_from(nonce),
        .deadline = channel::word_from(kFarAway),
        .channel_id = id(config_of),
    };
    const auto separator = channel::permit2_separator(Anvil::kChainId, ledger::chain::kPermit2);
    const auto signature = Anvil::key(payer).sign(channel::digest(separator, transfer));
    return {transfer.amount, ledger::chain::Permit2Authorization{
                                 config_of.payer, transfer.token, transfer.amount, transfer.spender,
                                 transfer.nonce, transfer.deadline, transfer.channel_id,
                                 channel::Bytes(signature.bytes.begin(), signature.bytes.end())}};
}

void ChainStack::approve_permit2(unsigned payer, std::uint64_t amount) {
    const ledger::chain::Selector approve{0x09, 0x5e, 0xa7, 0xb3};
    ledger::chain::AbiTuple arguments;
    arguments.add(ledger::chain::kPermit2).add(amount);
    anvil.send(payer, anvil.token(), ledger::chain::encode_call(approve, arguments));
}

channel::TransactionHash ChainStack::deposit_directly(unsigned payer,
                                                      const channel::ChannelConfig& config_of,
                                                      std::uint64_t amount, std::uint64_t salt) {
    return anvil.send(payer, escrow_address(),
                      ledger::chain::deposit_call(deposit_terms(), config_of,
                                                  deposit(payer, config_of, amount, salt)));
}

channel::ChannelId ChainStack::opened(unsigned payer, const channel::ChannelConfig& config_of,
                                      std::uint64_t amount) {
    const auto outcome = run(chain_->open(config.networks.front().network, config_of, "test",
                                          deposit(payer, config_of, amount)));
    if (const auto error = error_of(outcome))
        throw std::runtime_error("not opened: " + std::string(channel::reason(*error)));
    if (!wait_for_status(id(config_of), channel::Status::open))
        throw std::runtime_error("the deposit did not count in time");
    return id(config_of);
}

std::optional<channel::Error> ChainStack::pay(unsigned payer,
                                              const channel::ChannelConfig& config_of,
                                              std::uint64_t amount, std::uint64_t max_claimable) {
    return pay_with(config_of, amount, voucher(payer, config_of, max_claimable),
                    ledger::ContractVerdict::none);
}

channel::SignedVoucher ChainStack::voucher(unsigned payer, const channel::ChannelConfig& config_of,
                                           std::uint64_t max_claimable) const {
    const channel::Voucher promise{id(config_of), channel::Amount{max_claimable}};
    return {promise.max_claimable,
            Anvil::key(payer).sign(channel::digest(escrow_separator(), promise))};
}

std::optional<channel::Error> ChainStack::pay_with(const channel::ChannelConfig& config_of,
                                                   std::uint64_t amount,
                                                   const channel::SignedVoucher& voucher,
                                                   ledger::ContractVerdict verdict) {
    return command(config_of.payer, id(config_of),
                   channel::Pay{*channel::InferenceId::parse("p" + std::to_string(payments_ + 1)),
                                channel::Amount{amount}, voucher},
                   verdict);
}

std::optional<channel::Error> ChainStack::command(const channel::Address& caller,
                                                  const channel::ChannelId& id_of,
                                                  ledger::PaymentCommand command_of,
                                                  ledger::ContractVerdict verdict) {
    const auto number = ++payments_;
    submit_one(*shards_,
               ledger::PaymentRequest{
                   {kGateway, 0, number}, caller, id_of, std::move(command_of), "{}", verdict});
    std::optional<channel::Error> error;
    const bool answered = wait([&] {
        for (const auto& answer : answers_) {
            if (answer.reply_to.request != number) continue;
            if (const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome))
                error = refusal->error;
            return true;
        }
        return false;
    });
    if (!answered) throw std::runtime_error("a payment was not answered in time");
    return error;
}

void ChainStack::take(std::vector<ledger::Answer> answers) {
    const std::lock_guard lock(mutex_);
    for (auto& answer : answers) answers_.push_back(std::move(answer));
    changed_.notify_all();
}

void ChainStack::publish(std::span<const ledger::Answer> answers) {
    const std::lock_guard lock(mutex_);
    for (const auto& answer : answers) {
        const auto* change = std::get_if<ledger::ChannelChanged>(&answer.outcome);
        if (!change || !answer.terms) continue;
        states_[answer.terms->id] = change->state;
        if (!change->name.empty()) channel_events_[answer.terms->id].push_back(change->name);
    }
    changed_.notify_all();
}

channel::State ChainStack::state(const channel::ChannelId& id_of) {
    const std::lock_guard lock(mutex_);
    return states_[id_of];
}

std::vector<std::string> ChainStack::channel_events(const channel::ChannelId& id_of) {
    const std::lock_guard lock(mutex_);
    return channel_events_[id_of];
}

std::vector<api::ChainService::SettlementEvent> ChainStack::settlement_events() {
    const std::lock_guard lock(mutex_);
    return settlement_events_;
}

bool ChainStack::wait(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock lock(mutex_);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        // Not everything that is waited for is published: the node's part is looked at again.
        changed_.wait_for(lock, 20ms);
    }
    return true;
}

void ChainStack::wait_a_moment() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 15ms);
}

bool ChainStack::wait_for_status(const channel::ChannelId& id_of, channel::Status status) {
    return wait([&] { return states_.contains(id_of) && states_[id_of].status == status; });
}

bool ChainStack::wait_for_event(const channel::ChannelId& id_of, const std::string& name) {
    return wait([&] {
        const auto& names = channel_events_[id_of];
        return std::find(names.begin(), names.end(), name) != names.end();
    });
}

bool ChainStack::wait_until_followed() {
    const auto newest = anvil.block_number();
    const auto on_top = config.networks.front().confirmations - 1;
    return wait([&] {
        return query("select block_number from chain_cursor") == std::to_string(newest - on_top) &&
               chain_->health().front().block >= newest;
    });
}

bool ChainStack::wait_for_claim(const std::string& claim_id, const std::string& name) {
    return wait([&] {
        for (const auto& event : settlement_events_)
            if (event.name == name && event.data.find(claim_id) != std::string::npos) return true;
        return false;
    });
}

std::string ChainStack::query(const std::string& sql) {
    const auto rows = repeat_after_deadlock([&] {
        pqxx::connection connection(postgres.url());
        pqxx::work transaction(connection);
        auto result = transaction.exec(sql);
        transaction.commit();
        return result;
    });
    std::string text;
    for (const auto& row : rows) {
        if (!text.empty()) text += '\n';
        for (const auto& field : row)
            text +=
                (field.num() == 0 ? "" : "|") + std::string(field.is_null() ? "-" : field.c_str());
    }
    return text;
}

std::string ChainStack::trial_balance() {
    const auto differing = query(R"sql(
        select count(*) from account a
        where a.debits <> (select coalesce(sum(amount), 0) from transfer t
                           where t.asset_id = a.asset_id and t.debit_kind = a.kind
                             and t.debit_owner = a.owner)
           or a.credits <> (select coalesce(sum(amount), 0) from transfer t
                            where t.asset_id = a.asset_id and t.credit_kind = a.kind
                              and t.credit_owner = a.owner))sql");
    if (differing != "0") return "accounts differ from transfers";
    return query("select coalesce(sum(debits - credits), 0) from account");
}

}  // namespace support
