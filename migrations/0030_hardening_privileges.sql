-- Exactly what each role needs; and journals that nobody changes, their owner included. Partitions are
-- reached through their parents. A later migration that adds a table says the same of it:
-- tests/ledger/hardening_test.cpp asks for it.

-- The service: adds to journals, and changes what of state changes.
grant select on schema_migration to millrace_service;
grant select, insert on asset, account, transfer, channel, reservation, payment, chain_cursor, chain_event, outbox,
    outbox_attempt, claim, claim_row, claim_quarantine, event, chain_block, chain_reorganisation, channel_opening,
    chain_reversal, refund, log_tile, log_checkpoint, audit_key, audit_key_scope, audit_query to millrace_service;
grant select, update (last_seq) on commit_sequence to millrace_service;
grant select, update (size) on log_head to millrace_service;
-- The whole of it, because the service locks it to fill it once.
grant select, insert, update on shard_lease to millrace_service;
grant update (debits, credits) on account to millrace_service;
grant update (status, balance, charged, reserved, signed_max, signature, total_claimed, withdraw_requested_at,
    refund_nonce, seq, owed, in_doubt, refunding, refunds_begun, withdraw_amount) on channel to millrace_service;
grant update (charged, steps), delete on reservation to millrace_service;
grant update (block_number, block_hash) on chain_cursor to millrace_service;
grant delete on chain_block to millrace_service;
grant update (to_address, data, gas_limit, max_fee, priority_fee, raw, hash, status, block_number, gas_used, fee, error,
    updated_at) on outbox to millrace_service;
grant update (status, amount, error, updated_at) on claim to millrace_service;
grant update (reason, detail, amount, balance, total_claimed, signature, attempts, retry_at), delete
    on claim_quarantine to millrace_service;
grant update (hashes) on log_tile to millrace_service;
grant update (revoked_at) on audit_key to millrace_service;
grant execute on procedure make_partitions to millrace_service;

-- Auditors: read everything but the digests of keys, in the tables and in the views made for them.
grant select on schema_migration, asset, commit_sequence, account, transfer, shard_lease, channel, reservation, payment,
    chain_cursor, chain_event, outbox, outbox_attempt, claim, claim_row, claim_quarantine, event, chain_block,
    chain_reorganisation, channel_opening, chain_reversal, refund, log_head, log_tile, log_checkpoint, audit_key_scope,
    audit_query to millrace_auditor;
grant select (key_id, name, created_at, expires_at, revoked_at) on audit_key to millrace_auditor;
grant select on all tables in schema audit to millrace_auditor;

-- Metrics: what ledger/stats_reader.cpp counts, and nothing about anybody.
grant select on commit_sequence, shard_lease, log_head to millrace_metrics;
grant select (asset_id, network) on asset to millrace_metrics;
grant select (asset_id, status, charged, total_claimed, in_doubt, refunding, withdraw_requested_at,
    withdraw_delay_seconds) on channel to millrace_metrics;
grant select (status) on claim to millrace_metrics;
grant select (reason) on claim_quarantine to millrace_metrics;
grant select (network, status, created_at) on outbox to millrace_metrics;
grant select (network, number, depth) on chain_reorganisation to millrace_metrics;
grant select (reference) on refund to millrace_metrics;
grant select (size, at) on log_checkpoint to millrace_metrics;

do $$
declare
    journal text;
begin
    foreach journal in array array['payment', 'transfer', 'event', 'chain_event', 'chain_reversal',
        'chain_reorganisation', 'channel_opening', 'refund', 'claim_row', 'outbox_attempt', 'log_checkpoint',
        'audit_key_scope', 'audit_query']
    loop
        perform protect_journal(journal::regclass);
    end loop;
end $$;
