#include "ledger/settlement/payer_channels.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kHasMany = R"sql(
    select count(*) >= $2
    from (select from channel where payer = $1::bytea limit $2) counted)sql";

}  // namespace

bool has_channels(pqxx::transaction_base& transaction, const channel::Address& payer,
                  std::size_t most) {
    return transaction.exec_params1(kHasMany, to_bytea(payer), most)[0].as<bool>();
}

}  // namespace millrace::ledger
