#include "api/x402/payload.hpp"

#include "api/stream/json.hpp"
#include "api/stream/read_command.hpp"
#include "api/stream/x402_members.hpp"
#include "api/x402/reasons.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <array>

namespace millrace::api::x402 {
namespace {

using stream::bad_param;
using stream::Failure;
using stream::Json;
using stream::Members;

constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kTextLengthMax = 2048;

/// A malformed member is told under the reason of the part that it stands in. What has a reason of
/// x402's own keeps it.
void under_reason(std::optional<Failure>& wrong, std::string_view reason) {
    if (wrong && !wrong->reason.starts_with(kReasonPrefix)) wrong->reason = reason;
}

channel::VoucherSignature signature(Members& members, std::string_view key) {
    const auto text = members.text(key);
    if (members.failed()) return {};
    const auto bytes = channel::parse_hex(text);
    if (!bytes) {
        members.fail(key, bytes.error());
        return {};
    }
    const auto given = channel::VoucherSignature::from_bytes(*bytes);
    if (!given) members.fail(key, given.error());
    return given ? *given : channel::VoucherSignature{};
}

AuthorizerSignature optional_signature(Members& members, std::string_view key) {
    if (!members.has(key)) return std::nullopt;
    return signature(members, key);
}

ChannelVoucher channel_voucher(Members& payload) {
    ChannelVoucher paid;
    paid.config = read_channel_config(payload, "channelConfig");
    auto voucher = payload.object("voucher");
    paid.channel = voucher.fixed<channel::ChannelId>("channelId");
    paid.voucher = read_voucher(payload, paid.channel);
    return paid;
}

ledger::chain::VoucherClaim claim(Members row) {
    auto voucher = row.object("voucher");
    ledger::chain::VoucherClaim claim;
    claim.config = read_channel_config(voucher, "channel");
    claim.max_claimable = voucher.amount("maxClaimableAmount");
    claim.signature = signature(row, "signature");
    claim.total_claimed = row.amount("totalClaimed");
    return claim;
}

std::vector<ledger::chain::VoucherClaim> claims(Members& payload, std::optional<Failure>& wrong) {
    std::vector<ledger::chain::VoucherClaim> rows;
    const auto list = payload.value("claims");
    if (!list || !list->is(Json::Kind::array)) {
        payload.fail(bad_param(payload.field("claims"), "Expected an array."));
        return rows;
    }
    for (const auto row : *list) {
        const auto field = payload.field("claims") + "[" + std::to_string(rows.size()) + "]";
        if (rows.size() == ledger::kClaimRowsMax)
            payload.fail(bad_param(payload.field("claims"), "Too many rows for one transaction.",
                                   std::to_string(ledger::kClaimRowsMax)));
        if (!row.is(Json::Kind::object)) payload.fail(bad_param(field, "Expected an object."));
        if (payload.failed()) return rows;
        rows.push_back(claim(Members(row, field, wrong)));
    }
    return rows;
}

RefundPayload refund(Members& payload, std::optional<Failure>& wrong) {
    RefundPayload refund;
    refund.paid = channel_voucher(payload);
    if (payload.has("amount")) refund.amount = payload.amount("amount");
    if (!payload.has("refundNonce") && !payload.has("claims")) return refund;
    if (!refund.amount)
        payload.fail(bad_param(payload.field("amount"), "This parameter is missing."));
    RefundPayload::Completion completion;
    completion.refund_nonce = read_word(payload, "refundNonce");
    completion.claims = claims(payload, wrong);
    completion.refund_signature = optional_signature(payload, "refundAuthorizerSignature");
    completion.claim_signature = optional_signature(payload, "claimAuthorizerSignature");
    refund.completion = std::move(completion);
    return refund;
}

ClaimPayload claim_payload(Members& payload, std::optional<Failure>& wrong) {
    ClaimPayload made{claims(payload, wrong),
                      optional_signature(payload, "claimAuthorizerSignature")};
    if (made.claims.empty())
        payload.fail(bad_param(payload.field("claims"), "There has to be at least one row."));
    return made;
}

void read_by_type(Members& members, PaymentPayload& made) {
    std::optional<Failure> wrong;
    const auto fail = [&](std::string_view reason) {
        under_reason(wrong, reason);
        if (wrong) members.fail(std::move(*wrong));
    };
    const auto found = members.value("payload");
    Members payload(found, members.field("payload"), wrong);
    const auto type = payload.text("type");
    if (wrong) return fail(kPayloadType);
    if (type == "voucher") {
        made.payload = VoucherPayload{channel_voucher(payload)};
        fail(kVoucherPayload);
    } else if (type == "deposit") {
        made.payload = DepositPayload{channel_voucher(payload), read_deposit(payload)};
        fail(kDepositPayload);
    } else if (type == "refund") {
        made.payload = refund(payload, wrong);
        fail(kRefundPayload);
    } else if (type == "claim") {
        made.payload = claim_payload(payload, wrong);
        fail(kClaimPayload);
    } else if (type == "settle") {
        made.payload = SettlePayload{payload.address("receiver"), payload.address("token")};
        fail(kSettlePayload);
    } else {
        wrong =
            bad_param(payload.field("type"), "Expected voucher, deposit, refund, claim or settle.");
        fail(kPayloadType);
    }
}

void check_version(Members& members) {
    const auto version = members.number("x402Version");
    if (members.failed() || version == kX402VersionNumber) return;
    auto wrong = bad_param(members.field("x402Version"), "The version has to be the limit.",
                           std::to_string(kX402VersionNumber));
    wrong.reason = kX402Version;
    members.fail(std::move(wrong));
}

void read_extra(Members& members, Requirements& made) {
    const auto given = members.value("extra");
    if (!given || given->is(Json::Kind::null)) return;
    auto extra = members.object("extra");
    made.token_name = extra.optional_text("name", kTextLengthMax);
    made.token_version = extra.optional_text("version", kTextLengthMax);
    if (extra.has("receiverAuthorizer"))
        made.receiver_authorizer = extra.address("receiverAuthorizer");
    if (extra.has("withdrawDelay")) made.withdraw_delay_seconds = extra.number("withdrawDelay");
    made.asset_transfer_method = extra.optional_text("assetTransferMethod", kTextLengthMax);
}

}  // namespace

Requirements read_requirements(Members& members) {
    Requirements made;
    made.scheme = members.optional_text("scheme", kTextLengthMax);
    if (!members.failed() && made.scheme != kBatchSettlement) {
        auto wrong =
            bad_param(members.field("scheme"), "Only the scheme batch-settlement is served.");
        wrong.reason = kScheme;
        members.fail(std::move(wrong));
    }
    made.network = members.text("network");
    made.amount = members.amount("amount");
    made.asset = members.address("asset");
    made.pay_to = members.address("payTo");
    read_extra(members, made);
    return made;
}

PaymentPayload read_payment_payload(Members& members) {
    PaymentPayload made;
    check_version(members);
    auto accepted = members.object("accepted");
    made.accepted = read_requirements(accepted);
    if (!members.failed()) read_by_type(members, made);
    return made;
}

std::variant<PaymentPayload, Failure> parse_payment_payload(std::string_view json) {
    stream::JsonParser parser(kDepthMax);
    const auto parsed = parser.parse(json);
    if (!parsed) return stream::bad_request({}, stream::sentence(parser.fault()));
    if (!parsed->is(Json::Kind::object))
        return stream::bad_request({}, "The payment payload has to be a JSON object.");
    std::string_view name;
    if (parsed->has_duplicate_key(name))
        return stream::bad_request(std::string(name), "This member is there twice.");
    std::optional<Failure> wrong;
    Members members(*parsed, {}, wrong);
    auto made = read_payment_payload(members);
    if (wrong) return std::move(*wrong);
    return made;
}

}  // namespace millrace::api::x402
