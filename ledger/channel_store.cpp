#include "ledger/channel_store.hpp"

#include "ledger/batch.hpp"
#include "ledger/bytea.hpp"
#include "ledger/shard.hpp"

#include <set>
#include <stdexcept>
#include <unordered_map>

namespace millrace::ledger {

const char* const kChannelColumns =
    "channel_id, asset_id, payer, payer_authorizer, receiver, receiver_authorizer, "
    "withdraw_delay_seconds, salt, coalesce(app, '') as app, status, balance, charged, reserved, "
    "signed_max, signature, total_claimed, withdraw_requested_at, refund_nonce, seq, owed, "
    "in_doubt, withdraw_amount, refunding, refunds_begun, voucher_signer, "
    "date_trunc('month', opened_at at time zone 'UTC')::date - date '1970-01-01' as month";

namespace {

constexpr const char* kReservations =
    "select channel_id, inference_id, max_amount, charged, steps from reservation";
constexpr const char* kInsertChannel = R"sql(
    insert into channel (channel_id, asset_id, payer, payer_authorizer, receiver,
        receiver_authorizer, withdraw_delay_seconds, salt, app, status, balance, charged, reserved,
        signed_max, signature, total_claimed, withdraw_requested_at, refund_nonce, seq, opened_at,
        voucher_signer)
    values ($1::bytea, $2, $3::bytea, $4::bytea, $5::bytea, $6::bytea, $7, $8::bytea,
        nullif($9, ''), 'pending', 0, 0, 0, 0, null, 0, 0, 0, 0, $10::timestamptz, $11)
    on conflict (channel_id) do nothing)sql";
constexpr const char* kMonth = R"sql(
    select date_trunc('month', opened_at at time zone 'UTC')::date - date '1970-01-01'
    from channel where channel_id = $1::bytea)sql";
constexpr const char* kInsertAccount = R"sql(
    insert into account (asset_id, kind, owner, debits, credits) values ($1, $2, $3::bytea, 0, 0)
    on conflict (asset_id, kind, owner) do nothing)sql";
constexpr const char* kClaimed = R"sql(
    select coalesce(sum(credits - debits), 0) from account
    where asset_id = $1 and kind = 'claimed' and owner = $2::bytea)sql";

channel::Amount amount_of(const pqxx::field& field) {
    const auto amount = channel::parse_amount(field.c_str());
    if (!amount) throw std::runtime_error(std::string("malformed amount in ") + field.name());
    return *amount;
}

channel::Status status_of(std::string_view text) {
    using channel::Status;
    for (const auto status : {Status::pending, Status::open, Status::closing, Status::closed})
        if (channel::to_string(status) == text) return status;
    throw std::runtime_error("unknown channel status in the database");
}

channel::VoucherSigner signer_of(std::string_view text) {
    for (const auto signer : {channel::VoucherSigner::key, channel::VoucherSigner::contract})
        if (channel::to_string(signer) == text) return signer;
    throw std::runtime_error("unknown voucher signer in the database");
}

/// Days since 1970, as `kChannelColumns` and `kMonth` have it.
Day day_of(const pqxx::field& field) {
    return Day{std::chrono::days{field.as<int>()}};
}

/// Of the channels of a shard, as `shard_of` tells them.
std::string of_shard(std::int16_t shard, std::int16_t shard_count) {
    return " where (get_byte(channel_id, 0) * 256 + get_byte(channel_id, 1)) % " +
           std::to_string(shard_count) + " = " + std::to_string(shard);
}

void insert_account(pqxx::transaction_base& transaction, const AccountKey& key) {
    transaction.exec_params0(kInsertAccount, key.asset_id, std::string(key.kind),
                             to_bytea(channel::BytesView(key.owner)));
}

channel::ChannelConfig config_from_row(const pqxx::row& row) {
    return {from_bytea<channel::Address>(row["payer"]),
            from_bytea<channel::Address>(row["payer_authorizer"]),
            from_bytea<channel::Address>(row["receiver"]),
            from_bytea<channel::Address>(row["receiver_authorizer"]),
            {},
            row["withdraw_delay_seconds"].as<std::uint64_t>(),
            from_bytea<channel::Salt>(row["salt"])};
}

}  // namespace

StoredChannel channel_from_row(const pqxx::row& row) {
    auto terms = std::make_shared<ChannelTerms>();
    terms->id = from_bytea<channel::ChannelId>(row["channel_id"]);
    terms->asset_id = row["asset_id"].as<std::int32_t>();
    terms->config = config_from_row(row);
    terms->app = row["app"].c_str();
    terms->voucher_signer = signer_of(row["voucher_signer"].c_str());
    terms->month = day_of(row["month"]);
    StoredChannel stored;
    auto& state = stored.state;
    state.status = status_of(row["status"].c_str());
    state.balance = amount_of(row["balance"]);
    state.charged = amount_of(row["charged"]);
    state.reserved = amount_of(row["reserved"]);
    state.signed_max = amount_of(row["signed_max"]);
    if (!row["signature"].is_null()) state.signature = signature_from_bytea(row["signature"]);
    state.total_claimed = amount_of(row["total_claimed"]);
    state.withdraw_requested_at = row["withdraw_requested_at"].as<std::uint64_t>();
    state.refund_nonce = row["refund_nonce"].as<std::uint64_t>();
    state.owed = amount_of(row["owed"]);
    state.in_doubt = row["in_doubt"].as<bool>();
    state.withdraw_amount = amount_of(row["withdraw_amount"]);
    state.refunding = amount_of(row["refunding"]);
    state.refunds_begun = row["refunds_begun"].as<std::uint64_t>();
    stored.seq = row["seq"].as<std::uint64_t>();
    stored.terms = std::move(terms);
    return stored;
}

std::vector<StoredChannel> load_channels(pqxx::connection& connection, std::int16_t shard,
                                         std::int16_t shard_count) {
    pqxx::work transaction(connection);
    std::unordered_map<std::int32_t, channel::Address> tokens;
    for (const auto& row : transaction.exec("select asset_id, token from asset"))
        tokens[row[0].as<std::int32_t>()] = from_bytea<channel::Address>(row[1]);
    std::vector<StoredChannel> channels;
    std::unordered_map<channel::ChannelId, std::size_t> places;
    for (const auto& row : transaction.exec(std::string("select ") + kChannelColumns +
                                            " from channel" + of_shard(shard, shard_count))) {
        auto stored = channel_from_row(row);
        auto terms = std::make_shared<ChannelTerms>(*stored.terms);
        terms->config.token = tokens.at(terms->asset_id);
        stored.terms = std::move(terms);
        places.emplace(stored.terms->id, channels.size());
        channels.push_back(std::move(stored));
    }
    for (const auto& row : transaction.exec(kReservations + of_shard(shard, shard_count))) {
        const auto place = places.find(from_bytea<channel::ChannelId>(row[0]));
        if (place == places.end()) continue;
        channels[place->second].state.reservations.emplace(
            *channel::InferenceId::parse(row[1].c_str()),
            channel::Reservation{amount_of(row[2]), amount_of(row[3]), row[4].as<std::uint32_t>()});
    }
    return channels;
}

void insert_channels(pqxx::connection& connection, const std::vector<ChannelTerms*>& opened,
                     Time now) {
    pqxx::work transaction(connection);
    // Shards share accounts: in key order, so that none waits for another in a circle.
    std::set<AccountKey> accounts;
    for (auto* terms : opened) {
        const auto& config = terms->config;
        transaction.exec_params0(kInsertChannel, to_bytea(terms->id), terms->asset_id,
                                 to_bytea(config.payer), to_bytea(config.payer_authorizer),
                                 to_bytea(config.receiver), to_bytea(config.receiver_authorizer),
                                 config.withdraw_delay_seconds, to_bytea(config.salt), terms->app,
                                 to_rfc3339(now),
                                 std::string(channel::to_string(terms->voucher_signer)));
        // Not that of `now` where an earlier attempt has left the row.
        terms->month = day_of(transaction.exec_params1(kMonth, to_bytea(terms->id))[0]);
        accounts.insert({channel_account(*terms), escrow_account(terms->asset_id),
                         earned_account(terms->asset_id, config.receiver),
                         claimed_account(terms->asset_id, config.receiver)});
    }
    for (const auto& key : accounts) insert_account(transaction, key);
    transaction.commit();
}

void insert_asset_accounts(pqxx::connection& connection, const Assets& assets) {
    pqxx::work transaction(connection);
    for (const auto& [id, asset] : assets) {
        if (!asset.token.is_zero()) {
            insert_account(transaction, escrow_account(id));
            continue;
        }
        insert_account(transaction, gas_account(id));
        insert_account(transaction, wallet_account(id));
    }
    transaction.commit();
}

channel::Amount claimed_balance(pqxx::connection& connection, std::int32_t asset_id,
                                const channel::Address& receiver) {
    pqxx::work transaction(connection);
    return amount_of(transaction.exec_params1(kClaimed, asset_id, to_bytea(receiver))[0]);
}

}  // namespace millrace::ledger
