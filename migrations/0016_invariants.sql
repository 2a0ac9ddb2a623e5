-- What was true all along and nobody had said to the database.

alter table account add constraint account_owner_of_kind check (octet_length(owner) = case
    when kind = 'channel' then 32 when kind in ('earned', 'held', 'claimed') then 20 else 0 end);
alter table commit_sequence add constraint commit_sequence_not_negative check (last_seq >= 0);
alter table shard_lease add constraint shard_lease_not_negative check (shard >= 0 and epoch >= 0 and batch >= 0);

alter table transfer add constraint transfer_in_order check
    (leg >= 0 and first_seq > 0 and first_seq <= seq and (reverses_seq is null or reverses_seq < seq));

alter table channel add constraint channel_parties_are_addresses check
    (octet_length(payer) = 20 and octet_length(payer_authorizer) = 20 and octet_length(receiver) = 20
     and octet_length(receiver_authorizer) = 20 and octet_length(salt) = 32);
alter table channel add constraint channel_not_negative check
    (reserved >= 0 and owed >= 0 and withdraw_amount >= 0 and withdraw_delay_seconds >= 0
     and withdraw_requested_at >= 0 and refund_nonce >= 0 and refunds_begun >= 0 and seq >= 0);
alter table reservation add constraint reservation_begun check (steps >= 1);

alter table payment add constraint payment_not_negative check
    (seq > 0 and step >= 0 and amount >= 0 and increment >= 0 and reserved >= 0 and increment <= charged);
alter table payment add constraint payment_lengths check
    (octet_length(channel_id) = 32 and octet_length(content) = 16
     and (signature is null or octet_length(signature) between 1 and 2048));

alter table chain_cursor add constraint chain_cursor_of_block check
    (block_number >= 0 and octet_length(block_hash) = 32);
alter table chain_block add constraint chain_block_of_block check
    (block_number >= 0 and octet_length(block_hash) = 32);
alter table chain_event add constraint chain_event_of_log check
    (octet_length(transaction_hash) = 32 and octet_length(block_hash) = 32 and log_index >= 0 and block_number >= 0
     and inclusion >= 0 and (channel_id is null or octet_length(channel_id) = 32));
alter table chain_event add constraint chain_event_not_negative check
    (seq > 0 and amount >= 0 and requested_at >= 0 and withdraw_amount >= 0);
alter table channel_opening add constraint channel_opening_of_block check
    (octet_length(channel_id) = 32 and octet_length(block_hash) = 32 and block_number >= 0 and seq > 0);
alter table channel_opening add constraint channel_opening_claimed_within_balance check
    (total_claimed >= 0 and total_claimed <= balance);
alter table chain_reversal add constraint chain_reversal_of_earlier check (event_seq > 0 and event_seq < seq);
alter table chain_reorganisation add constraint chain_reorganisation_of_blocks check
    (octet_length(from_hash) = 32 and octet_length(fork_hash) = 32 and depth > 0 and number > 0);
alter table event add constraint event_has_seq check (seq > 0);
alter table event add constraint event_of_address check
    (octet_length(receiver) = 20 and (channel_id is null or octet_length(channel_id) = 32)
     and (channel_id is not null or topic <> 'channel'));

alter table outbox add constraint outbox_of_addresses check
    (octet_length(signer) = 20 and octet_length(to_address) = 20 and octet_length(hash) = 32);
alter table outbox add constraint outbox_not_negative check
    (outbox_id > 0 and nonce >= 0 and gas_limit >= 0 and priority_fee >= 0 and max_fee >= priority_fee
     and (fee is null or fee >= 0));
alter table outbox_attempt add constraint outbox_attempt_of_hash check (octet_length(hash) = 32);
alter table outbox_attempt add constraint outbox_attempt_not_negative check
    (priority_fee >= 0 and max_fee >= priority_fee);
alter table claim add constraint claim_of_receiver check (octet_length(receiver) = 20);
alter table claim add constraint claim_not_negative check (channels >= 0 and amount >= 0);
alter table claim_row add constraint claim_row_lengths check
    (octet_length(channel_id) = 32 and octet_length(signature) between 1 and 2048);
alter table claim_row add constraint claim_row_not_negative check (total_claimed >= 0);
alter table claim_quarantine add constraint claim_quarantine_counts check
    (amount >= 0 and balance >= 0 and total_claimed >= 0 and attempts > 0);
alter table refund add constraint refund_counts check
    (number > 0 and refund_nonce >= 0 and (asked is null or asked >= 0)
     and (voucher_max is null or voucher_max >= 0));
alter table refund add constraint refund_of_channel check (octet_length(channel_id) = 32);
