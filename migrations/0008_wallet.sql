-- Payers that are contracts (ERC-1271): who signs a channel's vouchers is decided when it is opened,
-- and a smart wallet's signature has as many bytes as the wallet likes, up to a limit.

alter table channel drop constraint channel_signature_length;
alter table channel add column voucher_signer text collate "C" not null default 'key';
alter table channel add constraint channel_voucher_signer_known
    check (voucher_signer in ('key', 'contract'));
alter table channel add constraint channel_signature_of_signer check (
    case when voucher_signer = 'key' then octet_length(signature) = 65
         else octet_length(signature) between 1 and 2048 end);

-- What a refund is asked for with is a voucher like any other.
alter table refund drop constraint refund_signature_length;
alter table refund add constraint refund_signature_of_payer
    check (octet_length(signature) between 1 and 2048);

create index channel_of_wallet on channel (channel_id) where voucher_signer = 'contract';
