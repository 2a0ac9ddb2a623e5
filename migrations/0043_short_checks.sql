-- The same rules in fewer words. Postgres reads a check from its stored text anew for each statement that
-- writes to the table, which was a quarter of what the commit of one payment took: constants are of the
-- column's type, so that nothing is to be converted, and lists are one constant. A check that comes to null
-- holds: a signature that is not there has no length, and no number is reversed.

alter table payment
    drop constraint payment_kind_known,
    add constraint payment_kind_known
        check (kind = any ('{pay,authorize,charge,release}')),
    drop constraint payment_not_negative,
    add constraint payment_not_negative
        check (seq > 0 and step >= 0 and least(amount, increment, reserved) >= numeric '0'
            and increment <= charged),
    drop constraint payment_lengths,
    add constraint payment_lengths
        check (octet_length(channel_id) = 32 and octet_length(content) = 16
            and octet_length(signature) between 1 and 2048),
    drop constraint payment_month_begins,
    add constraint payment_month_begins
        check (extract(day from channel_month) = numeric '1');

alter table channel
    drop constraint channel_status_known,
    add constraint channel_status_known
        check (status = any ('{pending,open,closing,closed}')),
    drop constraint channel_voucher_signer_known,
    add constraint channel_voucher_signer_known
        check (voucher_signer = any ('{key,contract}')),
    drop constraint channel_claimed_within_charged,
    add constraint channel_claimed_within_charged
        check (total_claimed between numeric '0' and charged),
    drop constraint channel_signature_of_voucher,
    add constraint channel_signature_of_voucher
        check ((signature is null) = (signed_max = numeric '0')),
    drop constraint channel_refund_keeps_reserved,
    add constraint channel_refund_keeps_reserved
        check (refunding >= numeric '0'
            and (reserved = numeric '0' or charged + reserved + refunding <= balance)),
    drop constraint channel_not_negative,
    add constraint channel_not_negative
        check (least(reserved, owed, withdraw_amount) >= numeric '0'
            and least(withdraw_delay_seconds, withdraw_requested_at, refund_nonce, refunds_begun, seq) >= 0);

alter table transfer
    drop constraint transfer_moves_something,
    add constraint transfer_moves_something
        check (amount > numeric '0'),
    drop constraint transfer_cause_known,
    add constraint transfer_cause_known
        check (cause = any ('{payment,deposit,claim,settle,withdrawal,
            refund,charged_after_the_fact,uncollectable,recharged,fee,reversal}')),
    drop constraint transfer_in_order,
    add constraint transfer_in_order
        check (leg >= 0 and first_seq between 1 and seq and reverses_seq < seq);

alter table account
    drop constraint account_kind_known,
    add constraint account_kind_known
        check (kind = any ('{escrow,channel,earned,held,claimed,gas,wallet}')),
    drop constraint account_not_negative,
    add constraint account_not_negative
        check (least(debits, credits) >= numeric '0' and case
            when kind = any ('{escrow,gas}') then debits >= credits
            else credits >= debits or kind = 'wallet' end),
    drop constraint account_owner_of_kind,
    add constraint account_owner_of_kind
        check (octet_length(owner) = case
            when kind = 'channel' then 32 when kind = any ('{earned,held,claimed}') then 20 else 0 end);
