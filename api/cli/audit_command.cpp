#include "api/cli/audit/subcommands.hpp"

#include <CLI/CLI.hpp>

namespace millrace::api {

void add_audit(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("audit", "Read the books, and who may read them");
    command->require_subcommand(1);
    for (const auto add :
         {add_audit_trial_balance, add_audit_verify, add_audit_export, add_audit_reconcile,
          add_audit_statement, add_audit_key, add_audit_queries})
        add(*command, action);
}

}  // namespace millrace::api
