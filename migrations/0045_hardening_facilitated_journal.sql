-- `facilitated` says what was sent for whom, and is what later costs are measured by: a journal as well.

do $$
begin
    perform protect_journal('facilitated');
end $$;
