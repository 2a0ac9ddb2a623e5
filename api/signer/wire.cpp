#include "api/signer/wire.hpp"

#include "channel/hex.hpp"
#include "channel/uint256.hpp"

#include <boost/json.hpp>

#include <charconv>

namespace millrace::api {
namespace {

namespace json = boost::json;
using ledger::chain::ContractPayers;
using ledger::chain::EscrowContract;
using ledger::chain::Transaction;
using ledger::chain::VoucherClaim;

std::string decimal(std::uint64_t value) {
    return std::to_string(value);
}

json::object config_json(const channel::ChannelConfig& config) {
    return {{"payer", channel::to_hex(config.payer)},
            {"payerAuthorizer", channel::to_hex(config.payer_authorizer)},
            {"receiver", channel::to_hex(config.receiver)},
            {"receiverAuthorizer", channel::to_hex(config.receiver_authorizer)},
            {"token", channel::to_hex(config.token)},
            {"withdrawDelay", decimal(config.withdraw_delay_seconds)},
            {"salt", channel::to_hex(config.salt)}};
}

json::object escrow_json(const char* what, const EscrowContract& escrow) {
    return {{"sign", what},
            {"network", channel::to_string(escrow.network)},
            {"contract", channel::to_hex(escrow.address)}};
}

struct QuestionJson {
    json::object operator()(const HelloQuestion&) const { return {{"sign", "nothing"}}; }
    json::object operator()(const ClaimsQuestion& question) const {
        auto object = escrow_json("claims", question.escrow);
        json::array rows;
        for (const auto& row : question.rows)
            rows.push_back(
                json::object{{"channelConfig", config_json(row.config)},
                             {"maxClaimableAmount", channel::to_string(row.max_claimable)},
                             {"signature", channel::to_hex(row.signature)},
                             {"totalClaimed", channel::to_string(row.total_claimed)}});
        object["claims"] = std::move(rows);
        return object;
    }
    json::object operator()(const RefundQuestion& question) const {
        auto object = escrow_json("refund", question.escrow);
        object["channelConfig"] = config_json(question.config);
        object["nonce"] = channel::to_decimal(question.nonce);
        object["amount"] = channel::to_string(question.amount);
        return object;
    }
    json::object operator()(const TransactionQuestion& question) const {
        const auto& transaction = question.transaction;
        if (!transaction.to || !transaction.access_list.empty())
            throw ledger::chain::SignerRefused(
                "only calls without an access list are signed by this product");
        return {{"sign", "transaction"},
                {"network", channel::to_string(channel::Network{transaction.chain_id})},
                {"nonce", decimal(transaction.nonce)},
                {"maxPriorityFeePerGas", channel::to_string(transaction.priority_fee)},
                {"maxFeePerGas", channel::to_string(transaction.max_fee)},
                {"gas", decimal(transaction.gas_limit)},
                {"to", channel::to_hex(*transaction.to)},
                {"value", channel::to_decimal(transaction.value)},
                {"data", channel::to_hex(channel::BytesView(transaction.data))}};
    }
};

/// The members of one object, each of which has to be asked for.
class Members {
public:
    explicit Members(const json::value& value) : object_(value.if_object()) {
        if (!object_) throw MalformedFrame("an object is missing");
    }

    const json::value& member(std::string_view name) {
        const auto* found = object_->if_contains(name);
        if (!found) throw MalformedFrame(std::string(name) + " is missing");
        ++asked_;
        return *found;
    }
    std::string_view text(std::string_view name) {
        const auto* found = member(name).if_string();
        if (!found) throw MalformedFrame(std::string(name) + " is no text");
        return *found;
    }
    template <class Value>
    Value parsed(std::string_view name, channel::Result<Value> (*parse)(std::string_view)) {
        const auto value = parse(text(name));
        if (!value) throw MalformedFrame(std::string(name) + " is malformed");
        return *value;
    }
    template <class Fixed>
    Fixed fixed(std::string_view name) {
        return parsed<Fixed>(name, &channel::parse_fixed<Fixed>);
    }
    channel::Amount amount(std::string_view name) {
        return parsed<channel::Amount>(name, &channel::parse_amount);
    }
    std::uint64_t number(std::string_view name) {
        const auto value =
            channel::uint64_from(parsed<channel::Word>(name, &channel::parse_uint256));
        if (!value) throw MalformedFrame(std::string(name) + " is too large");
        return *value;
    }
    bool flag(std::string_view name) {
        const auto* found = member(name).if_bool();
        if (!found) throw MalformedFrame(std::string(name) + " is neither true nor false");
        return *found;
    }
    const json::array& array(std::string_view name) {
        const auto* found = member(name).if_array();
        if (!found) throw MalformedFrame(std::string(name) + " is no list");
        return *found;
    }
    void finish() const {
        if (asked_ != object_->size()) throw MalformedFrame("there are members too many");
    }

private:
    const json::object* object_;
    std::size_t asked_ = 0;
};

channel::ChannelConfig config_from(const json::value& value) {
    Members members(value);
    channel::ChannelConfig config{
        .payer = members.fixed<channel::Address>("payer"),
        .payer_authorizer = members.fixed<channel::Address>("payerAuthorizer"),
        .receiver = members.fixed<channel::Address>("receiver"),
        .receiver_authorizer = members.fixed<channel::Address>("receiverAuthorizer"),
        .token = members.fixed<channel::Address>("token"),
        .withdraw_delay_seconds = members.number("withdrawDelay"),
        .salt = members.fixed<channel::Salt>("salt")};
    members.finish();
    return config;
}

EscrowContract escrow_from(Members& members) {
    const auto network = members.parsed<channel::Network>("network", &channel::parse_network);
    return {network, members.fixed<channel::Address>("contract")};
}

channel::Result<channel::VoucherSignature> parse_voucher_signature(std::string_view hex) {
    const auto bytes = channel::parse_hex(hex);
    if (!bytes) return bytes.error();
    return channel::VoucherSignature::from_bytes(*bytes);
}

VoucherClaim row_from(const json::value& value) {
    Members members(value);
    VoucherClaim row{
        config_from(members.member("channelConfig")), members.amount("maxClaimableAmount"),
        members.parsed<channel::VoucherSignature>("signature", &parse_voucher_signature),
        members.amount("totalClaimed")};
    members.finish();
    return row;
}

Transaction transaction_from(Members& members) {
    Transaction transaction;
    transaction.chain_id =
        members.parsed<channel::Network>("network", &channel::parse_network).chain_id;
    transaction.nonce = members.number("nonce");
    transaction.priority_fee = members.amount("maxPriorityFeePerGas");
    transaction.max_fee = members.amount("maxFeePerGas");
    transaction.gas_limit = members.number("gas");
    transaction.to = members.fixed<channel::Address>("to");
    transaction.value = members.parsed<channel::Word>("value", &channel::parse_uint256);
    transaction.data = members.parsed<channel::Bytes>("data", &channel::parse_hex);
    return transaction;
}

SignerQuestion question_from(Members& members) {
    const auto what = members.text("sign");
    if (what == "nothing") return HelloQuestion{};
    if (what == "transaction") return TransactionQuestion{transaction_from(members)};
    if (what == "claims") {
        ClaimsQuestion question{escrow_from(members), {}};
        for (const auto& row : members.array("claims")) question.rows.push_back(row_from(row));
        return question;
    }
    if (what == "refund") {
        const auto escrow = escrow_from(members);
        return RefundQuestion{escrow, config_from(members.member("channelConfig")),
                              members.parsed<channel::Word>("nonce", &channel::parse_uint256),
                              members.amount("amount")};
    }
    throw MalformedFrame("there is no such thing to sign");
}

json::value parsed_json(std::string_view text) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 5;
    auto value = json::parse(text, error, {}, options);
    if (error) throw MalformedFrame("not JSON");
    return value;
}

struct AnswerJson {
    json::object operator()(const HelloAnswer& answer) const {
        return {{"authorizer", channel::to_hex(answer.authorizer)},
                {"relayer", channel::to_hex(answer.relayer)},
                {"contractPayers", answer.contract_payers == ContractPayers::believed}};
    }
    json::object operator()(const channel::Signature& signature) const {
        return {{"signature", channel::to_hex(signature)}};
    }
    json::object operator()(const RefusedAnswer& answer) const { return {{"refused", answer.why}}; }
    json::object operator()(const UnavailableAnswer& answer) const {
        return {{"unavailable", answer.why}};
    }
    json::object operator()(const MalformedAnswer& answer) const {
        return {{"malformed", answer.why}};
    }
};

}  // namespace

FrameHeader frame_header(std::size_t bytes) {
    return {static_cast<std::uint8_t>(bytes >> 24), static_cast<std::uint8_t>(bytes >> 16),
            static_cast<std::uint8_t>(bytes >> 8), static_cast<std::uint8_t>(bytes)};
}

std::size_t frame_bytes(const FrameHeader& header) {
    std::size_t bytes = 0;
    for (const auto byte : header) bytes = bytes << 8 | byte;
    return bytes;
}

std::string render(const SignerQuestion& question) {
    return json::serialize(std::visit(QuestionJson{}, question));
}

SignerQuestion parse_question(std::string_view text) {
    const auto value = parsed_json(text);
    Members members(value);
    auto question = question_from(members);
    members.finish();
    return question;
}

std::string render(const SignerAnswer& answer) {
    return json::serialize(std::visit(AnswerJson{}, answer));
}

SignerAnswer parse_answer(std::string_view text) {
    const auto value = parsed_json(text);
    const auto* object = value.if_object();
    if (!object) throw MalformedFrame("not an object");
    Members members(value);
    if (object->contains("signature")) return members.fixed<channel::Signature>("signature");
    if (object->contains("refused")) return RefusedAnswer{std::string(members.text("refused"))};
    if (object->contains("unavailable"))
        return UnavailableAnswer{std::string(members.text("unavailable"))};
    if (object->contains("malformed"))
        return MalformedAnswer{std::string(members.text("malformed"))};
    return HelloAnswer{
        members.fixed<channel::Address>("authorizer"), members.fixed<channel::Address>("relayer"),
        members.flag("contractPayers") ? ContractPayers::believed : ContractPayers::refused};
}

}  // namespace millrace::api
