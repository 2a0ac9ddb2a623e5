-- Who may do what to `facilitated`: see 0030.
grant select, insert on facilitated to millrace_service;
grant select on facilitated to millrace_auditor;
