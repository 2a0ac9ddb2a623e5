-- A row that the signer refuses, by its caps or its record, is no row that the contract would refuse.

alter table claim_quarantine drop constraint claim_quarantine_reason_known;
alter table claim_quarantine add constraint claim_quarantine_reason_known check (reason in
    ('channel_id_mismatch', 'exceeds_ceiling', 'exceeds_balance', 'invalid_signature',
     'signer_refused', 'reverted'));
