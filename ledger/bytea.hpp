#pragma once

#include "channel/bytes.hpp"
#include "channel/hex.hpp"
#include "channel/voucher_signature.hpp"

#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// As a parameter for a `bytea`, in Postgres's hex input form.
inline std::string to_bytea(channel::BytesView bytes) {
    std::string text = channel::to_hex(bytes);
    text.front() = '\\';
    return text;
}
template <class Tag, std::size_t N>
std::string to_bytea(const channel::FixedBytes<Tag, N>& value) {
    return to_bytea(value.view());
}

/// A `bytea` column as read back; throws std::runtime_error when its length is not the type's.
template <class Fixed>
Fixed from_bytea(const pqxx::field& field) {
    std::string text(field.c_str(), field.size());
    if (!text.empty()) text.front() = '0';
    const auto value = channel::parse_fixed<Fixed>(text);
    if (!value) throw std::runtime_error(std::string("malformed bytea in ") + field.name());
    return *value;
}

/// The same for a payer's signature, of any length that may be stored.
inline channel::VoucherSignature signature_from_bytea(const pqxx::field& field) {
    std::string text(field.c_str(), field.size());
    if (!text.empty()) text.front() = '0';
    const auto bytes = channel::parse_hex(text);
    const auto signature = bytes ? channel::VoucherSignature::from_bytes(*bytes) : bytes.error();
    if (!signature) throw std::runtime_error(std::string("malformed bytea in ") + field.name());
    return *signature;
}

}  // namespace millrace::ledger
