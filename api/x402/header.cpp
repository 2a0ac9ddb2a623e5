#include "api/x402/header.hpp"

#include "channel/bytes.hpp"
#include "ledger/proof/note.hpp"

namespace millrace::api::x402 {

std::string encode_header(std::string_view json) {
    return ledger::to_base64(
        channel::BytesView(reinterpret_cast<const std::uint8_t*>(json.data()), json.size()));
}

std::optional<std::string> decode_header(std::string_view header, std::size_t bytes_max) {
    if (header.empty() || header.size() > bytes_max) return std::nullopt;
    const auto bytes = ledger::parse_base64(header);
    if (!bytes) return std::nullopt;
    return std::string(bytes->begin(), bytes->end());
}

}  // namespace millrace::api::x402
