-- Who may do what to `facilitated`: see 0030.
grant select, insert, update (told_at) on facilitated to millrace_service;
grant select on facilitated to millrace_auditor;
