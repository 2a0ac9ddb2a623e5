-- What can still be lost to a withdrawal, for the watchtower and the metrics.

create index channel_closing on channel (channel_id) where status = 'closing';
