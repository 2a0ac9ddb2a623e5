#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "channel/uint256.hpp"
#include "ledger/request.hpp"

#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Columns as values, for the readers. All throw std::runtime_error naming the column for what no
/// writer of this service could have stored.

channel::Amount amount_column(const pqxx::field& field);
/// A sum, which may pass 128 bits.
channel::Word word_column(const pqxx::field& field);
channel::Network network_column(const pqxx::field& field);
channel::Bytes bytes_column(const pqxx::field& field);
PaymentKind payment_kind_column(const pqxx::field& field);
/// Columns seq, inference_id, amount, charged, reserved, signed_max and balance of a payment.
PaymentResult payment_result(const pqxx::row& row, const channel::ChannelId& channel);

/// A timestamptz column as RFC 3339 in UTC, to be pasted into a statement.
std::string rfc3339_of(const char* column);

}  // namespace millrace::ledger
