#include "ledger/audit/verify/entry.hpp"

#include "channel/eip712.hpp"
#include "channel/keccak.hpp"
#include "channel/network.hpp"
#include "channel/payer_signature.hpp"
#include "ledger/audit/json_line.hpp"
#include "ledger/audit/verify/postings.hpp"
#include "ledger/proof/journal.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

using channel::Amount;

constexpr std::size_t kContentBytes = 16;
/// "2026-01"
constexpr std::size_t kMonthLetters = 7;

channel::BytesView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

JournalRow journal_row(JournalTable table, const Fields& fields) {
    JournalRow row{table, false, {}};
    const auto columns = fields_of(table);
    std::size_t known = 0;
    for (std::size_t at = 0; at < columns.size(); ++at) {
        row.fields[at] = fields.optional_text(camel_case(columns[at].column));
        known += row.fields[at].has_value();
    }
    if (known != fields.members().size())
        broken("format", std::string(to_string(table)), "", "a row has a member that is not known");
    return row;
}

/// Names the rows of a number, for what concerns them together.
std::string keys_of(const JournalNumber& number) {
    std::string keys;
    for (const auto& row : number.rows) {
        if (!keys.empty()) keys += ", ";
        keys +=
            std::string(to_string(row.table)) + ' ' + std::string(row.fields.front().value_or("-"));
    }
    return keys.empty() ? "no rows" : keys;
}

TreeHash recomputed(const JournalNumber& number) {
    channel::Bytes leaf;
    if (!write_leaf(number, leaf))
        broken("format", "", keys_of(number), "a value is malformed", number.seq);
    return leaf_hash(leaf);
}

std::optional<std::int64_t> earliest_time(const JournalNumber& number) {
    std::optional<std::int64_t> earliest;
    for (const auto& row : number.rows) {
        const auto columns = fields_of(row.table);
        for (std::size_t at = 0; at < columns.size(); ++at) {
            if (columns[at].kind != FieldKind::time || !row.fields[at]) continue;
            const auto time = parse_time(*row.fields[at]);
            if (!time)
                broken("format", std::string(to_string(row.table)), keys_of(number),
                       "a time is malformed", number.seq);
            earliest = std::min(earliest.value_or(*time), *time);
        }
    }
    return earliest;
}

const AuditedChannel& known_channel(const AuditedChannels& channels, const channel::ChannelId& id,
                                    std::string_view table) {
    const auto found = channels.find(id);
    if (found == channels.end())
        broken("channel", std::string(table), channel::to_hex(id), "there is no such channel");
    return found->second;
}

bool is_signed(const AuditedChannel& audited, Amount max_claimable, const channel::Bytes& bytes) {
    const auto signature = channel::VoucherSignature::from_bytes(bytes);
    return signature && audited.separator &&
           channel::is_signed_by_payer(audited.config, *audited.separator, audited.id,
                                       max_claimable, *signature);
}

void check_signature(const AuditedChannel& audited, Amount max_claimable,
                     const channel::Bytes& signature, std::string_view table,
                     const std::string& key) {
    if (!audited.is_signed_by_key || is_signed(audited, max_claimable, signature)) return;
    broken("evidence", std::string(table), key,
           audited.separator
               ? "the signature over " + channel::to_string(max_claimable) + " is not the payer's"
               : "the escrow contract of " + audited.network +
                     " is not known: name it with --contract " + audited.network + "=0x…");
}

/// Which of the kinds `content` is the hash of; 0: of none.
char proven_kind(const Fields& row, std::string_view kind) {
    const auto said = channel::to_word(row.amount("amount"));
    const auto inference = std::string(row.text("inferenceId")) + '\0';
    const auto content = row.bytes("content");
    const std::string_view letters = kind == "pay"         ? "p"
                                     : kind == "authorize" ? "a"
                                     : kind == "charge"    ? "ci"
                                     : kind == "release"   ? "r"
                                                           : "";
    for (const char letter : letters) {
        const auto hash = channel::keccak256({bytes_of({&letter, 1}), said.view(),
                                              bytes_of(inference), bytes_of(row.text("detail"))});
        if (content.size() == kContentBytes &&
            std::equal(content.begin(), content.end(), hash.bytes.begin()))
            return letter;
    }
    return 0;
}

AuditedPayment payment_from(const Fields& row, const AuditedChannels& channels) {
    const auto id = row.fixed<channel::ChannelId>("channelId");
    AuditedPayment payment;
    payment.channel = &known_channel(channels, id, "payment");
    payment.inference = row.text("inferenceId");
    const auto key = channel::to_hex(id) + ' ' + payment.inference;
    payment.kind = proven_kind(row, row.text("kind"));
    if (payment.kind == 0)
        broken("content", "payment", key, "content is not the hash of what the row says");
    if (row.text("channelMonth") != payment.channel->month)
        broken("payment", "payment", key,
               "its month is not " + payment.channel->month + ", in which the channel was opened");
    payment.step = row.number("step");
    payment.amount = row.amount("amount");
    payment.increment = row.amount("increment");
    payment.charged = row.amount("charged");
    payment.reserved = row.amount("reserved");
    payment.signed_max = row.amount("signedMax");
    payment.balance = row.amount("balance");
    payment.voucher_max = row.optional_amount("voucherMax");
    if (row.has("signature")) payment.signature = row.bytes("signature");
    payment.covered_by = row.optional_number("coveredBy").value_or(0);
    const bool has_evidence = !payment.signature.empty() || payment.covered_by != 0;
    const bool has_both = !payment.signature.empty() && payment.covered_by != 0;
    if (payment.voucher_max.has_value() != has_evidence || has_both)
        broken("evidence", "payment", key, "its voucher has no evidence, or more than one");
    if (!payment.signature.empty())
        check_signature(*payment.channel, *payment.voucher_max, payment.signature, "payment", key);
    return payment;
}

AuditedTransfer transfer_from(const Fields& row) {
    AuditedTransfer transfer;
    const auto network = row.text("network");
    const auto token = row.text("token");
    transfer.leg = row.number("leg");
    transfer.debit_kind = row.text("debitKind");
    transfer.credit_kind = row.text("creditKind");
    transfer.debit = account_key(network, token, transfer.debit_kind, row.text("debitOwner"));
    transfer.credit = account_key(network, token, transfer.credit_kind, row.text("creditOwner"));
    transfer.amount = row.amount("amount");
    transfer.cause = row.text("cause");
    transfer.first_seq = row.number("firstSeq");
    const auto seq = row.optional_number("reversesSeq");
    if (seq) transfer.reverses = {*seq, row.number("reversesLeg")};
    return transfer;
}

AuditedChainEvent chain_event_from(const Fields& row) {
    AuditedChainEvent event;
    event.network = row.text("network");
    event.kind = row.text("kind");
    event.transaction = row.text("transactionHash");
    event.block_hash = row.text("blockHash");
    event.block_number = row.number("blockNumber");
    event.log_index = row.number("logIndex");
    event.log = event.network + ' ' + event.transaction + ' ' + std::to_string(event.log_index);
    event.channel = row.optional_fixed<channel::ChannelId>("channelId");
    event.amount = row.amount("amount");
    return event;
}

AuditedEvent event_from(const Fields& row, const AuditedChannels& channels) {
    const auto id = row.fixed<channel::ChannelId>("channelId");
    AuditedEvent event;
    event.channel = &known_channel(channels, id, "event");
    const ExportLine parsed(row.text("data"));
    const auto data = parsed.fields();
    const auto& audited = *event.channel;
    const auto key = channel::to_hex(id);
    const auto* app = data.members().if_contains("app");
    const bool is_app =
        app && (audited.app.empty() ? app->is_null()
                                    : app->is_string() && app->get_string() == audited.app);
    if (!is_app) broken("event", "channel", key, "its app is not the one that it was opened with");
    if (data.fixed<channel::ChannelId>("channelId") != id)
        broken("event", "event", key, "its data is of another channel");
    const auto config = data.object("config");
    const auto is_same = [&](std::string_view member, const auto& value) {
        return config.text(member) == channel::to_hex(value);
    };
    const auto& own = audited.config;
    if (!is_same("payer", own.payer) || !is_same("payerAuthorizer", own.payer_authorizer) ||
        !is_same("receiver", own.receiver) ||
        !is_same("receiverAuthorizer", own.receiver_authorizer) || !is_same("token", own.token) ||
        !is_same("salt", own.salt) ||
        config.json_number("withdrawDelay") != own.withdraw_delay_seconds)
        broken("event", "event", key, "the configuration in its data is not the channel's");
    if (row.text("network") != audited.network || row.text("token") != channel::to_hex(own.token) ||
        row.text("receiver") != channel::to_hex(own.receiver))
        broken("event", "event", key, "network, token or receiver are not those of the channel");
    const auto signer = data.optional_text("voucherSigner");
    if (signer && (*signer == "key") != audited.is_signed_by_key)
        broken("event", "channel", key, "who signs its vouchers is not who did when it was opened");
    event.name = row.text("name");
    event.status = data.text("status");
    event.balance = data.amount("balance");
    event.charged = data.amount("chargedCumulativeAmount");
    event.reserved = data.amount("reservedAmount");
    event.refunding = data.amount("refundingAmount");
    event.signed_max = data.amount("signedMaxClaimable");
    event.total_claimed = data.amount("totalClaimed");
    event.withdraw_requested_at = data.json_number("withdrawRequestedAt");
    event.refund_nonce = data.number("refundNonce");
    const auto* signature = data.members().if_contains("signature");
    if (signature && signature->is_string()) event.signature = data.bytes("signature");
    if (!event.signed_max.is_zero())
        check_signature(audited, event.signed_max, event.signature, "event", key);
    if (event.total_claimed > event.charged || event.charged > event.balance)
        broken("event", "event", key, "claimed ≤ charged ≤ balance does not hold");
    return event;
}

void read_rows(AuditedEntry& entry, JournalTable table, const Fields& row,
               const AuditedChannels& channels) {
    switch (table) {
        case JournalTable::payment:
            entry.payments.push_back(payment_from(row, channels));
            break;
        case JournalTable::transfer:
            entry.transfers.push_back(transfer_from(row));
            break;
        case JournalTable::chain_event:
            entry.chain_events.push_back(chain_event_from(row));
            break;
        case JournalTable::channel_opening:
            entry.openings.push_back({row.fixed<channel::ChannelId>("channelId"),
                                      row.number("blockNumber"), row.amount("balance"),
                                      row.amount("totalClaimed")});
            break;
        case JournalTable::chain_reversal:
            entry.reversals.push_back(row.number("eventSeq"));
            break;
        case JournalTable::event:
            if (row.text("topic") == "channel") entry.events.push_back(event_from(row, channels));
            break;
    }
}

}  // namespace

std::string account_key(std::string_view network, std::string_view token, std::string_view kind,
                        std::string_view owner) {
    std::string key;
    for (const auto part : {network, token, kind, owner}) {
        if (!key.empty()) key += ' ';
        key += part;
    }
    return key;
}

AuditedEntry examine_entry(const Fields& line, const AuditedChannels& channels) {
    AuditedEntry entry;
    entry.seq = line.number("seq");
    try {
        JournalNumber number{entry.seq, {}};
        for (const auto table : journal_tables())
            for (const auto& row : line.list(list_of(table)))
                number.rows.push_back(journal_row(table, row));
        if (const auto leaf = line.optional_fixed<TreeHash>("leaf")) {
            entry.leaf = recomputed(number);
            if (*entry.leaf != *leaf)
                broken("leaf",
                       number.rows.size() == 1 ? std::string(to_string(number.rows.front().table))
                                               : "journal",
                       keys_of(number), "the rows are not those that were sealed");
        } else {
            if (number.rows.empty())
                broken("number", "commit_sequence", std::to_string(entry.seq),
                       "it was given out, and there is no row of it");
            entry.at = earliest_time(number);
        }
        for (const auto table : journal_tables())
            for (const auto& row : line.list(list_of(table)))
                read_rows(entry, table, row, channels);
        check_postings(entry, channels);
    } catch (Broken& found) {
        if (found.finding.seq == 0) found.finding.seq = entry.seq;
        throw;
    }
    return entry;
}

AuditedChannel examine_channel(const Fields& line,
                               const std::map<std::string, channel::Address>& contracts) {
    AuditedChannel audited;
    audited.id = line.fixed<channel::ChannelId>("channelId");
    audited.network = line.text("network");
    const auto config = line.object("config");
    audited.config = {config.fixed<channel::Address>("payer"),
                      config.fixed<channel::Address>("payerAuthorizer"),
                      config.fixed<channel::Address>("receiver"),
                      config.fixed<channel::Address>("receiverAuthorizer"),
                      config.fixed<channel::Address>("token"),
                      config.json_number("withdrawDelay"),
                      config.fixed<channel::Salt>("salt")};
    audited.app = line.optional_text("app").value_or("");
    audited.is_signed_by_key = line.text("voucherSigner") == "key";
    audited.status = line.text("status");
    audited.balance = line.amount("balance");
    audited.charged = line.amount("charged");
    audited.reserved = line.amount("reserved");
    audited.refunding = line.amount("refunding");
    audited.signed_max = line.amount("signedMax");
    audited.total_claimed = line.amount("totalClaimed");
    if (line.has("signature")) audited.signature = line.bytes("signature");
    audited.withdraw_requested_at = line.number("withdrawRequestedAt");
    audited.refund_nonce = line.number("refundNonce");
    audited.seq = line.number("seq");
    const auto key = channel::to_hex(audited.id);
    audited.owed = line.amount("owed");
    audited.refunds_begun = line.number("refundsBegun");
    audited.is_in_doubt = line.text("inDoubt") != "false";
    if (!parse_time(line.text("openedAt"))) line.malformed("openedAt");
    audited.month = std::string(line.text("openedAt").substr(0, kMonthLetters)) + "-01";
    if (!audited.is_signed_by_key && !audited.config.payer_authorizer.is_zero())
        broken("evidence", "channel", key, "a payer authorizer signs with its key, as no contract");
    const auto contract = contracts.find(audited.network);
    const auto network = channel::parse_network(audited.network);
    if (contract != contracts.end() && network)
        audited.separator =
            channel::domain_separator(channel::escrow_domain(network->chain_id, contract->second));
    if (audited.separator && channel::channel_id(*audited.separator, audited.config) != audited.id)
        broken("channel_id", "channel", key, "it is not the id of the channel's configuration");
    if (line.text("token") != channel::to_hex(audited.config.token))
        broken("channel_id", "channel", key, "its asset is not its token");
    if (!audited.signed_max.is_zero())
        check_signature(audited, audited.signed_max, audited.signature, "channel", key);
    return audited;
}

}  // namespace millrace::ledger
