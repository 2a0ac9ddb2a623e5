#include "ledger/storage.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kWalPosition = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
constexpr const char* kWriteOut = "checkpoint";

}  // namespace

std::uint64_t read_wal_position(pqxx::connection& connection) {
    return pqxx::nontransaction(connection).exec1(kWalPosition)[0].as<std::uint64_t>();
}

void write_out(pqxx::connection& connection) {
    pqxx::nontransaction(connection).exec0(kWriteOut);
}

}  // namespace millrace::ledger
