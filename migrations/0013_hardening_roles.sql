-- Plain Postgres only, as all hardening migrations. The roles, from here on the owner of everything, and
-- who may be one of them. They have no login of their own: README.md, "As an operator". They belong to
-- the cluster: another of its databases may have made them already, or be making them now.

do $$
declare
    wanted text;
    may_become text := case when current_setting('server_version_num')::integer >= 160000
                            then 'set' else 'member' end;
begin
    foreach wanted in array
        array['millrace_owner', 'millrace_service', 'millrace_auditor', 'millrace_metrics']
    loop
        continue when exists (select from pg_roles where rolname = wanted);
        begin
            execute format('create role %I nologin', wanted);
        exception
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise insufficient_privilege using
                    message = format('role %s is missing, and %s may not create it', wanted, current_user),
                    hint = 'Migrate as a superuser or as a login with createrole that owns the database; or '
                        || 'let a superuser create the roles millrace_owner, millrace_service, millrace_auditor '
                        || 'and millrace_metrics, all nologin, and grant millrace_owner to this login.';
        end;
    end loop;
    -- So that later migrations can be applied by the same login.
    if not pg_has_role(current_user, 'millrace_owner', may_become) then
        begin
            execute format('grant millrace_owner to %I', current_user);
        exception
            when unique_violation then null;
            when insufficient_privilege then
                raise insufficient_privilege using
                    message = format('%s is no member of millrace_owner', current_user),
                    hint = format('Let a superuser: grant millrace_owner to %I', current_user);
        end;
    end if;
end $$;

do $$
declare
    owned text;
begin
    execute format('revoke create on schema %I from public', current_schema());
    execute format('grant usage, create on schema %I to millrace_owner', current_schema());
    execute format('grant usage on schema %I to millrace_service, millrace_auditor, millrace_metrics',
                   current_schema());
    -- A temporary table is one as well.
    execute format('revoke temporary on database %I from public', current_database());
    foreach owned in array array['schema_migration', 'asset', 'commit_sequence', 'account', 'transfer',
        'shard_lease', 'channel', 'reservation', 'payment', 'chain_cursor', 'chain_event', 'outbox', 'claim',
        'claim_row', 'event', 'outbox_attempt', 'chain_block', 'chain_reorganisation', 'channel_opening',
        'chain_reversal', 'refund', 'claim_quarantine', 'log_head', 'log_tile', 'log_checkpoint']
    loop
        execute format('alter table %I owner to millrace_owner', owned);
    end loop;
end $$;

-- Functions may be called by those alone that they are granted to.
alter default privileges for role millrace_owner revoke execute on functions from public;

create schema audit authorization millrace_owner;
grant usage on schema audit to millrace_auditor;
