#pragma once

namespace support {

/// Who may do what to a table. Partitions are nobody's but the owner's, and the auditors' to read.
struct TableRights {
    const char* table;
    /// Of insert and delete, what the service may; it reads every table.
    const char* service;
    /// The columns that the service may change; "*": all.
    const char* updated;
    /// The columns that auditors do not see.
    const char* auditor_hidden;
    /// The columns that metrics see.
    const char* metrics;
    bool journal;
};

inline constexpr TableRights kTableRights[] = {
    {"account", "insert", "debits credits", "", "", false},
    {"acknowledged_batch", "insert delete", "", "", "base numbers", false},
    {"asset", "insert", "", "", "asset_id network", false},
    {"audit_key", "insert", "revoked_at", "digest", "", false},
    {"audit_key_scope", "insert", "", "", "", true},
    {"audit_query", "insert", "", "", "", true},
    {"chain_block", "insert delete", "", "", "", false},
    {"chain_cursor", "insert", "block_number block_hash", "", "", false},
    {"chain_event", "insert", "", "", "", true},
    {"chain_reorganisation", "insert", "", "", "network number depth", true},
    {"chain_reversal", "insert", "", "", "", true},
    {"channel", "insert",
     "status balance charged reserved signed_max signature total_claimed withdraw_requested_at "
     "refund_nonce seq owed in_doubt refunding refunds_begun withdraw_amount",
     "",
     "asset_id status charged total_claimed in_doubt refunding withdraw_requested_at "
     "withdraw_delay_seconds",
     false},
    {"channel_opening", "insert", "", "", "", true},
    {"claim", "insert", "status amount error updated_at", "", "status", false},
    {"claim_quarantine", "insert delete",
     "reason detail amount balance total_claimed signature attempts retry_at", "", "reason", false},
    {"claim_row", "insert", "", "", "", true},
    {"commit_sequence", "", "last_seq", "", "*", false},
    {"event", "insert", "", "", "", true},
    {"facilitated", "insert", "", "", "", true},
    {"log_checkpoint", "insert", "", "", "size at", true},
    {"log_head", "", "size", "", "*", false},
    {"log_tile", "insert", "hashes", "", "", false},
    {"outbox", "insert",
     "to_address data gas_limit max_fee priority_fee raw hash status block_number gas_used fee "
     "error updated_at",
     "", "network status created_at", false},
    {"outbox_attempt", "insert", "", "", "", true},
    {"payment", "insert", "", "", "", true},
    {"posting", "", "seq", "", "*", false},
    {"refund", "insert", "", "", "reference", true},
    {"reservation", "insert delete", "charged steps", "", "", false},
    {"schema_migration", "", "", "", "", false},
    {"shard_lease", "insert", "*", "", "*", false},
    {"transfer", "insert", "", "", "", true},
};

/// One row for each journal, with what it refers to.
inline constexpr const char* kJournalRows[] = {
    R"sql(insert into payment values (decode(repeat('01', 32), 'hex'), 1, 'a', 0, 'pay',
        decode(repeat('02', 16), 'hex'), 1, 1, 1, 0, 1, 1, 1, decode(repeat('03', 65), 'hex'), null,
        '{}', '2026-01-02T12:00:00Z', '2026-01-01'))sql",
    R"sql(insert into transfer values (1, 0, 1, 'channel', decode(repeat('01', 32), 'hex'),
        'earned', decode(repeat('04', 20), 'hex'), 1, 'payment', 1, null, null,
        '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into event values (2, 'settlement', 'claim', 1, null,
        decode(repeat('04', 20), 'hex'), '{}', '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into chain_event (network, transaction_hash, log_index, block_number, block_hash,
            kind, channel_id, amount, seq, at)
        values ('eip155:31337', decode(repeat('05', 32), 'hex'), 0, 7,
            decode(repeat('06', 32), 'hex'), 'settled', null, 1, 3, '2026-01-02T12:00:00Z'))sql",
    "insert into chain_reversal values (3, 4, '2026-01-02T12:00:00Z')",
    R"sql(insert into chain_reorganisation values ('eip155:31337', 1, 9,
        decode(repeat('07', 32), 'hex'), 7, decode(repeat('08', 32), 'hex'), 2,
        '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into channel_opening values (decode(repeat('01', 32), 'hex'), 5, 'eip155:31337', 7,
        decode(repeat('06', 32), 'hex'), 10, 0))sql",
    R"sql(insert into refund values (decode(repeat('01', 32), 'hex'), 1, 1, null, null, null, 0, null,
        'given up', '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into claim values ('c1', 1, decode(repeat('04', 20), 'hex'), 'queued', 1, 1, null,
        '2026-01-02T12:00:00Z', '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into claim_row values ('c1', decode(repeat('01', 32), 'hex'), 1,
        decode(repeat('03', 65), 'hex'), 1, 1))sql",
    R"sql(insert into outbox values (1, 'eip155:31337', decode(repeat('09', 20), 'hex'), 0, 'claim',
        'c1', decode(repeat('0a', 20), 'hex'), '', 1, 2, 1, '', decode(repeat('0b', 32), 'hex'),
        'queued', null, null, null, null, '2026-01-02T12:00:00Z', '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into facilitated values (1, 'eip155:31337', 'claim', decode(repeat('04', 20), 'hex'),
        decode(repeat('70', 20), 'hex'), null, '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into outbox_attempt values (1, decode(repeat('0c', 32), 'hex'), 2, 1, '',
        '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into log_checkpoint values (1, decode(repeat('0d', 32), 'hex'), 'note',
        '2026-01-02T12:00:00Z'))sql",
    R"sql(insert into audit_key values ('k1', 'name', decode(repeat('0e', 32), 'hex'),
        '2026-01-02T12:00:00Z', '2027-01-02T12:00:00Z', null))sql",
    "insert into audit_key_scope values ('k1', 'ledger')",
    R"sql(insert into audit_query values ('k1', '2026-01-02T12:00:00Z', 1, 'key', '127.0.0.1', 'GET',
        '/v1/ledger/entries', 200, null, 5))sql",
};

inline constexpr const char* kNullable[] = {
    "audit_key.revoked_at",  "audit_query.seq",       "chain_event.channel_id",
    "channel.app",           "channel.signature",     "claim.error",
    "claim_row.outbox_id",   "event.channel_id",      "facilitated.asked_as",
    "outbox.block_number",   "outbox.error",          "outbox.fee",
    "outbox.gas_used",       "payment.covered_by",    "payment.signature",
    "payment.voucher_max",   "refund.asked",          "refund.error",
    "refund.reference",      "refund.signature",      "refund.voucher_max",
    "transfer.reverses_leg", "transfer.reverses_seq",
};

}  // namespace support
