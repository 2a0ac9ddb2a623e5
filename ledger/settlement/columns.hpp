#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/hex.hpp"

#include <stdexcept>
#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A `numeric` column as read back; throws std::runtime_error for anything but a whole number in
/// range.
inline channel::Amount amount_from(const pqxx::field& field) {
    const auto amount = channel::parse_amount(field.c_str());
    if (!amount) throw std::runtime_error(std::string("malformed amount in ") + field.name());
    return *amount;
}

/// A `bytea` column of any length.
inline channel::Bytes bytes_from(const pqxx::field& field) {
    auto text = std::string(field.c_str());
    if (text.size() >= 2) text.replace(0, 2, "0x");
    auto bytes = channel::parse_hex(text);
    if (!bytes) throw std::runtime_error(std::string("malformed bytea in ") + field.name());
    return std::move(*bytes);
}

}  // namespace millrace::ledger
