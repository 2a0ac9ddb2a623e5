#include "ledger/settlement/outbox.hpp"

#include "ledger/bytea.hpp"
#include "ledger/chain/transaction.hpp"
#include "ledger/settlement/columns.hpp"

#include <algorithm>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kNextNonce = R"sql(
    select coalesce(max(nonce) + 1, 0) from outbox where network = $1 and signer = $2::bytea)sql";
constexpr const char* kInsert = R"sql(
    insert into outbox (outbox_id, network, signer, nonce, purpose, reference, to_address, data,
        gas_limit, max_fee, priority_fee, raw, hash, status, created_at, updated_at)
    select coalesce(max(outbox_id), 0) + 1, $1::text, $2::bytea, $3::bigint, $4::text, $5::text,
        $6::bytea, $7::bytea, $8::bigint, $9::numeric, $10::numeric, $11::bytea, $12::bytea,
        'queued', $13::timestamptz, $13::timestamptz
    from outbox
    returning outbox_id)sql";
constexpr const char* kFind = R"sql(
    select outbox_id, network, signer, nonce, purpose, reference, to_address, data, gas_limit,
        max_fee, priority_fee, raw, hash, status
    from outbox where purpose = $1 and reference = $2
    order by outbox_id desc limit 1)sql";
constexpr const char* kUnfinished = R"sql(
    select outbox_id, network, signer, nonce, purpose, reference, to_address, data, gas_limit,
        max_fee, priority_fee, raw, hash, status
    from outbox where network = $1 and status in ('queued', 'sent')
    order by nonce)sql";
constexpr const char* kMarkSent = R"sql(
    update outbox set status = 'sent', updated_at = $2::timestamptz
    where outbox_id = $1 and status = 'queued')sql";
constexpr const char* kKeepAttempt = R"sql(
    insert into outbox_attempt (outbox_id, hash, max_fee, priority_fee, raw, replaced_at)
    select outbox_id, hash, max_fee, priority_fee, raw, $2::timestamptz
    from outbox where outbox_id = $1
    on conflict do nothing)sql";
constexpr const char* kReplace = R"sql(
    update outbox set max_fee = $2::numeric, priority_fee = $3::numeric, raw = $4::bytea,
        hash = $5::bytea, updated_at = $6::timestamptz
    where outbox_id = $1 and hash = $7::bytea and status in ('queued', 'sent')
        and max_fee < $2::numeric and priority_fee < $3::numeric)sql";
// Without those that ended because another transaction took their nonce: where the chain still
// waits for it, that one is gone.
constexpr const char* kNonces = R"sql(
    select nonce from outbox
    where network = $1 and signer = $2::bytea and nonce >= $3 and nonce < $4
        and not (status = 'failed' and block_number = 0)
    order by nonce)sql";
constexpr const char* kWithNonce = R"sql(
    select outbox_id, max_fee, priority_fee from outbox
    where network = $1 and signer = $2::bytea and nonce = $3)sql";
// Its purpose and reference stay, so that it is still known what it was to be.
constexpr const char* kFillInstead = R"sql(
    update outbox set to_address = $2::bytea, data = '', gas_limit = $3, max_fee = $4::numeric,
        priority_fee = $5::numeric, raw = $6::bytea, hash = $7::bytea, status = 'queued',
        block_number = null, gas_used = null, fee = null, error = null,
        updated_at = $8::timestamptz
    where outbox_id = $1)sql";
constexpr const char* kFormer = "select hash from outbox_attempt where outbox_id = $1";
constexpr const char* kFinish = R"sql(
    update outbox set status = $2, hash = $3::bytea, block_number = $4, gas_used = $5,
        fee = $6::numeric, error = nullif($7, ''), updated_at = $8::timestamptz
    where outbox_id = $1)sql";

template <class Enum, std::size_t N>
Enum enum_from(const pqxx::field& field, const std::array<Enum, N>& all) {
    for (const auto value : all)
        if (to_string(value) == field.c_str()) return value;
    throw std::runtime_error(std::string("unknown value in ") + field.name());
}

OutboxEntry entry_from(const pqxx::row& row) {
    const auto network = channel::parse_network(row["network"].c_str());
    if (!network) throw std::runtime_error("malformed network in the outbox");
    return {
        .id = row["outbox_id"].as<std::int64_t>(),
        .network = *network,
        .signer = from_bytea<channel::Address>(row["signer"]),
        .nonce = row["nonce"].as<std::uint64_t>(),
        .purpose =
            enum_from(row["purpose"], std::array{Purpose::deposit, Purpose::claim, Purpose::refund,
                                                 Purpose::filler, Purpose::facilitated}),
        .reference = row["reference"].c_str(),
        .to = from_bytea<channel::Address>(row["to_address"]),
        .data = bytes_from(row["data"]),
        .gas_limit = row["gas_limit"].as<std::uint64_t>(),
        .fees = {amount_from(row["max_fee"]), amount_from(row["priority_fee"])},
        .raw = bytes_from(row["raw"]),
        .hash = from_bytea<channel::TransactionHash>(row["hash"]),
        .status =
            enum_from(row["status"], std::array{OutboxStatus::queued, OutboxStatus::sent,
                                                OutboxStatus::confirmed, OutboxStatus::failed}),
    };
}

void sign_into(OutboxEntry& entry, chain::Signer& signer) {
    const chain::Transaction transaction{
        .chain_id = entry.network.chain_id,
        .nonce = entry.nonce,
        .priority_fee = entry.fees.priority_fee,
        .max_fee = entry.fees.max_fee,
        .gas_limit = entry.gas_limit,
        .to = entry.to,
        .value = {},
        .data = entry.data,
        .access_list = {},
    };
    auto made = chain::with_signature(transaction, signer.sign_transaction(transaction));
    entry.raw = std::move(made.raw);
    entry.hash = made.hash;
}

OutboxEntry entry_for(const OutboxDraft& draft, const Sender& sender, std::uint64_t nonce) {
    OutboxEntry entry{
        .network = sender.network,
        .signer = sender.signer.relayer(),
        .nonce = nonce,
        .purpose = draft.purpose,
        .reference = draft.reference,
        .to = draft.to,
        .data = draft.data,
        .gas_limit = draft.gas_limit,
        .fees = draft.fees,
        .raw = {},
        .hash = {},
    };
    sign_into(entry, sender.signer);
    return entry;
}

std::int64_t write(pqxx::transaction_base& transaction, const OutboxEntry& entry, Time now) {
    return transaction
        .exec_params1(
            kInsert, channel::to_string(entry.network), to_bytea(entry.signer), entry.nonce,
            std::string(to_string(entry.purpose)), entry.reference, to_bytea(entry.to),
            to_bytea(channel::BytesView(entry.data)), entry.gas_limit,
            channel::to_string(entry.fees.max_fee), channel::to_string(entry.fees.priority_fee),
            to_bytea(channel::BytesView(entry.raw)), to_bytea(entry.hash), to_rfc3339(now))[0]
        .as<std::int64_t>();
}

/// In the place of a transaction that was given up, which is kept as a former attempt.
std::int64_t fill_instead(pqxx::transaction_base& transaction, std::int64_t id,
                          const OutboxEntry& filler, Time now) {
    transaction.exec_params0(kKeepAttempt, id, to_rfc3339(now));
    transaction.exec_params0(
        kFillInstead, id, to_bytea(filler.to), filler.gas_limit,
        channel::to_string(filler.fees.max_fee), channel::to_string(filler.fees.priority_fee),
        to_bytea(channel::BytesView(filler.raw)), to_bytea(filler.hash), to_rfc3339(now));
    return id;
}

}  // namespace

std::string_view to_string(Purpose purpose) {
    switch (purpose) {
        case Purpose::deposit:
            return "deposit";
        case Purpose::claim:
            return "claim";
        case Purpose::refund:
            return "refund";
        case Purpose::filler:
            return "filler";
        case Purpose::facilitated:
            return "facilitated";
    }
    return "";
}

std::string_view to_string(OutboxStatus status) {
    switch (status) {
        case OutboxStatus::queued:
            return "queued";
        case OutboxStatus::sent:
            return "sent";
        case OutboxStatus::confirmed:
            return "confirmed";
        case OutboxStatus::failed:
            return "failed";
    }
    return "";
}

std::vector<OutboxEntry> sign_drafts(pqxx::transaction_base& transaction, const Sender& sender,
                                     const std::vector<OutboxDraft>& drafts) {
    const auto next = transaction
                          .exec_params1(kNextNonce, channel::to_string(sender.network),
                                        to_bytea(sender.signer.relayer()))[0]
                          .as<std::uint64_t>();
    auto nonce = std::max(next, sender.nonce_min);
    std::vector<OutboxEntry> entries;
    for (const auto& draft : drafts) entries.push_back(entry_for(draft, sender, nonce++));
    return entries;
}

std::vector<OutboxEntry> enqueue(pqxx::transaction_base& transaction,
                                 std::vector<OutboxEntry> entries, Time now) {
    for (auto& entry : entries) entry.id = write(transaction, entry, now);
    return entries;
}

std::vector<OutboxEntry> enqueue(pqxx::transaction_base& transaction, const Sender& sender,
                                 const std::vector<OutboxDraft>& drafts, Time now) {
    return enqueue(transaction, sign_drafts(transaction, sender, drafts), now);
}

std::optional<OutboxEntry> find_outbox(pqxx::transaction_base& transaction, Purpose purpose,
                                       const std::string& reference) {
    const auto rows = transaction.exec_params(kFind, std::string(to_string(purpose)), reference);
    if (rows.empty()) return std::nullopt;
    return entry_from(rows[0]);
}

bool stands(const std::optional<OutboxEntry>& entry) {
    return entry && entry->status != OutboxStatus::failed;
}

std::vector<OutboxEntry> unfinished_outbox(pqxx::transaction_base& transaction,
                                           channel::Network network) {
    std::vector<OutboxEntry> entries;
    for (const auto& row : transaction.exec_params(kUnfinished, channel::to_string(network)))
        entries.push_back(entry_from(row));
    return entries;
}

void mark_sent(pqxx::transaction_base& transaction, std::int64_t outbox_id, Time now) {
    transaction.exec_params0(kMarkSent, outbox_id, to_rfc3339(now));
}

OutboxEntry raise_fees(pqxx::transaction_base& transaction, const OutboxEntry& entry,
                       chain::Signer& signer, const chain::Fees& fees, Time now) {
    auto raised = entry;
    raised.fees = fees;
    sign_into(raised, signer);
    transaction.exec_params0(kKeepAttempt, entry.id, to_rfc3339(now));
    const auto replaced = transaction.exec_params(
        kReplace, entry.id, channel::to_string(fees.max_fee), channel::to_string(fees.priority_fee),
        to_bytea(channel::BytesView(raised.raw)), to_bytea(raised.hash), to_rfc3339(now),
        to_bytea(entry.hash));
    if (replaced.affected_rows() != 1)
        throw std::runtime_error("a transaction changed while its fees were to be raised");
    return raised;
}

std::optional<std::uint64_t> missing_nonce(pqxx::transaction_base& transaction,
                                           channel::Network network, const channel::Address& signer,
                                           std::uint64_t unused, std::uint64_t before) {
    auto next = unused;
    for (const auto& row : transaction.exec_params(kNonces, channel::to_string(network),
                                                   to_bytea(signer), unused, before)) {
        if (row[0].as<std::uint64_t>() != next) break;
        ++next;
    }
    return next < before ? std::optional(next) : std::nullopt;
}

OutboxEntry fill_nonce(pqxx::transaction_base& transaction, const Sender& sender,
                       std::uint64_t nonce, const chain::Fees& fees, Time now) {
    constexpr std::uint64_t kTransferGas = 21'000;
    OutboxDraft nothing;
    nothing.purpose = Purpose::filler;
    nothing.reference = "nonce:" + std::to_string(nonce);
    nothing.to = sender.signer.relayer();
    nothing.gas_limit = kTransferGas;
    nothing.fees = fees;
    const auto given_up = transaction.exec_params(kWithNonce, channel::to_string(sender.network),
                                                  to_bytea(sender.signer.relayer()), nonce);
    if (!given_up.empty())
        nothing.fees = {std::max(amount_from(given_up[0]["max_fee"]), fees.max_fee),
                        std::max(amount_from(given_up[0]["priority_fee"]), fees.priority_fee)};
    auto filler = entry_for(nothing, sender, nonce);
    if (given_up.empty())
        filler.id = write(transaction, filler, now);
    else
        filler.id =
            fill_instead(transaction, given_up[0]["outbox_id"].as<std::int64_t>(), filler, now);
    return filler;
}

std::vector<channel::TransactionHash> former_hashes(pqxx::transaction_base& transaction,
                                                    std::int64_t outbox_id) {
    std::vector<channel::TransactionHash> hashes;
    for (const auto& row : transaction.exec_params(kFormer, outbox_id))
        hashes.push_back(from_bytea<channel::TransactionHash>(row[0]));
    return hashes;
}

void finish_outbox(pqxx::transaction_base& transaction, std::int64_t outbox_id,
                   const OutboxResult& result, Time now) {
    const auto status = result.succeeded ? OutboxStatus::confirmed : OutboxStatus::failed;
    transaction.exec_params0(kFinish, outbox_id, std::string(to_string(status)),
                             to_bytea(result.hash), result.block_number, result.gas_used,
                             channel::to_string(result.fee), result.error, to_rfc3339(now));
}

}  // namespace millrace::ledger
