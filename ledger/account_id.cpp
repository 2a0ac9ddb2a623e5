#include "channel/address.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "ledger/account_reader.hpp"

#include <array>

namespace millrace::ledger {
namespace {

struct Kind {
    std::string_view name;
    std::size_t owner_bytes;
};
// ledger.md, Accounts.
constexpr std::array<Kind, 7> kKinds{{{"escrow", 0},
                                      {"channel", channel::ChannelId::size},
                                      {"earned", channel::Address::size},
                                      {"held", channel::Address::size},
                                      {"claimed", channel::Address::size},
                                      {"gas", 0},
                                      {"wallet", 0}}};

/// Cuts the text up to the next colon off its front; all of it when there is none.
std::string_view take_part(std::string_view& text) {
    const auto part = text.substr(0, text.find(':'));
    text.remove_prefix(part.size());
    if (!text.empty()) text.remove_prefix(1);
    return part;
}

channel::Result<channel::Bytes> parse_owner(std::string_view kind, std::string_view text) {
    for (const auto& known : kKinds) {
        if (known.name != kind) continue;
        if (known.owner_bytes == 0 && text.empty()) return channel::Bytes{};
        auto owner = channel::parse_hex(text);
        if (owner && owner->size() == known.owner_bytes && known.owner_bytes != 0) return owner;
    }
    return channel::Error::invalid_params;
}

}  // namespace

std::string to_string(const AccountId& id) {
    auto text =
        std::to_string(id.network.chain_id) + ':' + channel::to_hex(id.token) + ':' + id.kind;
    if (!id.owner.empty()) text += ':' + channel::to_hex(channel::BytesView(id.owner));
    return text;
}

channel::Result<AccountId> parse_account_id(std::string_view text) {
    if (text.ends_with(':')) return channel::Error::invalid_params;
    auto rest = text;
    const auto network = channel::parse_network("eip155:" + std::string(take_part(rest)));
    const auto token = channel::parse_address(take_part(rest));
    const auto kind = take_part(rest);
    const auto owner = parse_owner(kind, rest);
    if (!network || !token || !owner) return channel::Error::invalid_params;
    return AccountId{*network, *token, std::string(kind), *owner};
}

std::string_view to_string(Side side) {
    switch (side) {
        case Side::debit:
            return "debit";
        case Side::credit:
            return "credit";
    }
    return {};
}

}  // namespace millrace::ledger
