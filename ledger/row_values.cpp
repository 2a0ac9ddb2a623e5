#include "ledger/row_values.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace millrace::ledger {
namespace {

[[noreturn]] void malformed(const pqxx::field& field) {
    throw std::runtime_error(fmt::format("malformed value in column {}", field.name()));
}

std::string_view text_of(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}

}  // namespace

channel::Amount amount_column(const pqxx::field& field) {
    const auto amount = channel::parse_amount(text_of(field));
    if (!amount) malformed(field);
    return *amount;
}

channel::Word word_column(const pqxx::field& field) {
    const auto word = channel::parse_uint256(text_of(field));
    if (!word) malformed(field);
    return *word;
}

channel::Network network_column(const pqxx::field& field) {
    const auto network = channel::parse_network(text_of(field));
    if (!network) malformed(field);
    return *network;
}

channel::Bytes bytes_column(const pqxx::field& field) {
    std::string text(text_of(field));
    if (text.size() < 2) malformed(field);
    text.front() = '0';
    auto bytes = channel::parse_hex(text);
    if (!bytes) malformed(field);
    return std::move(*bytes);
}

PaymentKind payment_kind_column(const pqxx::field& field) {
    for (const auto kind :
         {PaymentKind::pay, PaymentKind::authorize, PaymentKind::charge, PaymentKind::release})
        if (to_string(kind) == text_of(field)) return kind;
    malformed(field);
}

PaymentResult payment_result(const pqxx::row& row, const channel::ChannelId& channel) {
    const auto inference = channel::InferenceId::parse(text_of(row["inference_id"]));
    if (!inference) malformed(row["inference_id"]);
    return {row["seq"].as<std::uint64_t>(),
            channel,
            *inference,
            amount_column(row["amount"]),
            amount_column(row["charged"]),
            amount_column(row["reserved"]),
            amount_column(row["signed_max"]),
            amount_column(row["balance"])};
}

std::string rfc3339_of(const char* column) {
    return fmt::format(R"(to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))",
                       column);
}

}  // namespace millrace::ledger
