#pragma once

#include "channel/bytes.hpp"

#include <cstddef>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// True if the payer has at least `most` channels here.
bool has_channels(pqxx::transaction_base& transaction, const channel::Address& payer,
                  std::size_t most);

}  // namespace millrace::ledger
