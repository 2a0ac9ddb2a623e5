#include "ledger/service_login.hpp"

namespace millrace::ledger {

void create_service_login(pqxx::connection& connection, const std::string& name) {
    pqxx::work transaction(connection);
    if (!transaction.exec_params("select from pg_roles where rolname = $1", name).empty()) return;
    transaction.exec0("create role " + transaction.quote_name(name) +
                      " login in role millrace_service");
    transaction.commit();
}

}  // namespace millrace::ledger
