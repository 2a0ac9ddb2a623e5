#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::ledger {

/// Append a value in Postgres's binary form, its length (int32) in front: an element of an array
/// and a field of `COPY … (format binary)` alike. In the order of the types: bigint, integer, text,
/// bytea, numeric, timestamptz, date.
void append_value(std::string& out, std::int64_t value);
void append_value(std::string& out, std::int32_t value);
void append_value(std::string& out, std::string_view text);
void append_value(std::string& out, channel::BytesView bytes);
void append_value(std::string& out, channel::Amount amount);
void append_value(std::string& out, Time time);
void append_value(std::string& out, Day day);
void append_null(std::string& out);

/// Without a length: what headers are made of.
void append_int16(std::string& out, std::int16_t value);
void append_int32(std::string& out, std::int32_t value);
/// Over what stands at `at`.
void put_int32(std::string& out, std::size_t at, std::int32_t value);
void put_int64(std::string& out, std::size_t at, std::int64_t value);
/// What stands at `at`.
std::int32_t int32_at(std::string_view bytes, std::size_t at);

}  // namespace millrace::ledger
