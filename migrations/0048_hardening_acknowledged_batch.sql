-- Who may do what to `acknowledged_batch` and `posting`: see 0030. Their contents go on to the journal's
-- tables, unchanged and in order.
grant select, insert, delete on acknowledged_batch to millrace_service;
grant select, update (seq) on posting to millrace_service;
grant select on acknowledged_batch, posting to millrace_auditor;
grant select (base, numbers) on acknowledged_batch to millrace_metrics;
grant select on posting to millrace_metrics;

-- It is read once, soon; to compress it would cost more than to write it.
alter table acknowledged_batch alter column content set storage external;
