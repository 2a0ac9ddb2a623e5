#pragma once

#include "api/cli/commands.hpp"

namespace millrace::api {

// Each adds one subcommand of `millrace audit`, which sets `action` when it is named.

void add_audit_trial_balance(CLI::App& audit, Action& action);
void add_audit_reconcile(CLI::App& audit, Action& action);
void add_audit_statement(CLI::App& audit, Action& action);
void add_audit_key(CLI::App& audit, Action& action);
void add_audit_export(CLI::App& audit, Action& action);
void add_audit_verify(CLI::App& audit, Action& action);
void add_audit_queries(CLI::App& audit, Action& action);

}  // namespace millrace::api
