#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::x402 {

/// Of the text of one header. The largest payload that a payer sends, a deposit whose wallet has
/// signatures of 2,048 bytes, needs some 14 KiB.
inline constexpr std::size_t kHeaderBytesMax = 32 * 1024;

/// What `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE` and `PAYMENT-RESPONSE` carry: standard base64 with
/// padding of UTF-8 JSON (x402-batch-settlement, HTTP transport).
std::string encode_header(std::string_view json);

/// The text behind it; nullopt for more than `bytes_max` characters and for anything but canonical
/// base64 with padding. Whether it is UTF-8 and JSON is left to whoever reads it.
std::optional<std::string> decode_header(std::string_view header,
                                         std::size_t bytes_max = kHeaderBytesMax);

}  // namespace millrace::api::x402
