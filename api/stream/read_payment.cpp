#include "api/stream/members.hpp"
#include "api/stream/read_command.hpp"

namespace millrace::api::stream {
namespace {

channel::InferenceId inference_id(Members& members, std::string_view key) {
    const auto given = members.text(key);
    if (members.failed()) return {};
    const auto parsed = channel::InferenceId::parse(given);
    if (!parsed) members.fail(key, parsed.error());
    return parsed ? *parsed : channel::InferenceId{};
}

/// The detail of a payment grows member by member: what is stored, hashed and given to
/// subscribers is compact JSON with these members alone, in this order.
class Detail {
public:
    void add(std::string_view key, Json value) {
        begin(key);
        value.append_compact(text_);
    }
    void add_text(std::string_view key, std::string_view text) {
        begin(key);
        append_json_string(text_, text);
    }

    std::string finish(Members& params, std::string_view field, std::size_t bytes_max) && {
        text_ += '}';
        if (text_.size() > bytes_max)
            params.fail(bad_param(std::string(field), "The details are too long.",
                                  std::to_string(bytes_max)));
        return std::move(text_);
    }

private:
    void begin(std::string_view key) {
        if (text_.size() > 1) text_ += ',';
        ((text_ += '"') += key) += "\":";
    }

    std::string text_ = "{";
};

/// Of payment.pay and payment.authorize: all that `inference` says beside its id.
std::string inference_detail(Members& inference, Members& params, std::size_t bytes_max) {
    Detail detail;
    const auto model = inference.text("model");
    if (inference.failed()) return {};
    detail.add_text("model", model);
    if (inference.has("app")) detail.add_text("app", inference.text("app"));
    if (const auto units = inference.value("units")) {
        if (!units->is(Json::Kind::number) && !units->is(Json::Kind::string))
            inference.fail(bad_param(inference.field("units"), "Expected a number or a string."));
        else
            detail.add("units", *units);
    }
    if (inference.has("requestHash"))
        detail.add_text("requestHash",
                        channel::to_hex(inference.fixed<channel::Digest>("requestHash")));
    return std::move(detail).finish(params, "inference", bytes_max);
}

bool is_count(Json value) {
    const auto text = value.text();
    return value.is(Json::Kind::number) && text.find_first_not_of("0123456789") == text.npos;
}

std::string charge_detail(Members& params, std::size_t bytes_max) {
    Detail detail;
    if (params.has("usage")) {
        auto usage = params.object("usage");
        for (const auto* tokens : {"inputTokens", "outputTokens"}) {
            const auto count = usage.value(tokens);
            if (count && !is_count(*count))
                usage.fail(bad_param(usage.field(tokens), "Expected a whole number."));
        }
        if (params.failed()) return {};
        detail.add("usage", *params.value("usage"));
    }
    const auto receipt = params.value("receipt");
    if (receipt) detail.add("receipt", *receipt);
    return std::move(detail).finish(params, receipt ? "receipt" : "usage", bytes_max);
}

std::string release_detail(Members& params, std::size_t bytes_max) {
    Detail detail;
    if (params.has("reason")) detail.add_text("reason", params.text("reason"));
    return std::move(detail).finish(params, "reason", bytes_max);
}

void read_pay(Members& params, std::size_t detail_bytes_max, ledger::PaymentRequest& request) {
    auto inference = read_inference(params, detail_bytes_max);
    channel::Pay pay{inference.id, {}, {}};
    request.detail = std::move(inference.detail);
    pay.amount = params.positive_amount("amount");
    pay.voucher = read_voucher(params, request.channel);
    request.command = std::move(pay);
}

void read_authorize(Members& params, std::size_t detail_bytes_max,
                    ledger::PaymentRequest& request) {
    auto inference = read_inference(params, detail_bytes_max);
    channel::Authorize authorize{inference.id, {}, {}};
    request.detail = std::move(inference.detail);
    authorize.max_amount = params.positive_amount("maxAmount");
    if (params.has("voucher")) authorize.voucher = read_voucher(params, request.channel);
    request.command = std::move(authorize);
}

void read_charge(Members& params, std::size_t detail_bytes_max, ledger::PaymentRequest& request) {
    channel::Charge charge{inference_id(params, "inferenceId"), params.amount("amount")};
    if (!params.boolean("final", true)) charge.finality = channel::Finality::partial;
    request.detail = charge_detail(params, detail_bytes_max);
    request.command = std::move(charge);
}

void read_release(Members& params, std::size_t detail_bytes_max, ledger::PaymentRequest& request) {
    request.command = channel::Release{inference_id(params, "inferenceId")};
    request.detail = release_detail(params, detail_bytes_max);
}

}  // namespace

NamedInference read_inference(Members& params, std::size_t detail_bytes_max) {
    auto inference = params.object("inference");
    const auto id = inference_id(inference, "id");
    return {id, inference_detail(inference, params, detail_bytes_max)};
}

channel::SignedVoucher read_voucher(Members& params, const channel::ChannelId& channel) {
    auto named = read_named_voucher(params);
    // x402 vouchers name their channel; here it is the request's, so it may be left out.
    if (named.channel && *named.channel != channel)
        params.fail(failure(channel::Error::channel_id_mismatch));
    return std::move(named.voucher);
}

NamedVoucher read_named_voucher(Members& params) {
    auto members = params.object("voucher");
    members.refuse_others({"channelId", "maxClaimableAmount", "signature"});
    NamedVoucher named;
    if (members.has("channelId")) named.channel = members.fixed<channel::ChannelId>("channelId");
    auto& voucher = named.voucher;
    voucher.max_claimable = members.amount("maxClaimableAmount");
    const auto text = members.text("signature");
    if (members.failed()) return named;
    // Text that is no hex is a malformed parameter; bytes that are no signature are a bad voucher.
    const auto bytes = channel::parse_hex(text);
    if (!bytes) {
        members.fail("signature", bytes.error());
        return named;
    }
    // Whether the channel's voucher signer is a key, which has to sign in one form, is not known
    // yet.
    const auto signature = channel::VoucherSignature::from_bytes(*bytes);
    if (!signature)
        members.fail("signature", signature.error());
    else
        voucher.signature = *signature;
    return named;
}

void read_payment(Method method, std::optional<Json> object, const LimitsConfig& limits,
                  Command& command) {
    std::optional<Failure> wrong;
    Members params(object, {}, wrong);
    auto& request = command.emplace<ledger::PaymentRequest>();
    request.channel = params.fixed<channel::ChannelId>("channelId");
    if (method == Method::payment_pay)
        read_pay(params, limits.detail_bytes_max, request);
    else if (method == Method::payment_authorize)
        read_authorize(params, limits.detail_bytes_max, request);
    else if (method == Method::payment_charge)
        read_charge(params, limits.detail_bytes_max, request);
    else
        read_release(params, limits.detail_bytes_max, request);
    if (wrong) command = std::move(*wrong);
}

}  // namespace millrace::api::stream
