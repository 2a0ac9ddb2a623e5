#include "api/auth/login.hpp"

#include "api/chain/chain_service.hpp"

namespace millrace::api {
namespace {

SessionOwner owner_by(const Delegation& delegation) {
    return {delegation.account, delegation.delegate, delegation.expires_at};
}

/// Nothing when the wallet says yes.
Task<std::optional<std::variant<LoginRefusal, channel::Refusal>>> refuse_by_wallet(
    ChainService& chain, WalletLogin question) {
    const auto asked =
        co_await chain.ask_wallet(question.address, question.digest, question.signature);
    const auto* refused = std::get_if<channel::Refusal>(&asked);
    if (!refused) co_return std::nullopt;
    if (refused->error != channel::Error::voucher_signature) co_return *refused;
    co_return question.otherwise;
}

}  // namespace

std::optional<LoginOutcome> decide_by_key(const RedeemedLogin& login) {
    if (const auto* refusal = std::get_if<LoginRefusal>(&login.redeemed)) return *refusal;
    const auto* address = std::get_if<channel::Address>(&login.redeemed);
    if (!address) return std::nullopt;
    if (!login.delegation) return SessionOwner{*address};
    const auto judged = judge(*login.delegation, login.domain, *address, login.at);
    if (const auto* refusal = std::get_if<LoginRefusal>(&judged)) return *refusal;
    const auto* delegation = std::get_if<Delegation>(&judged);
    if (!delegation) return std::nullopt;
    return owner_by(*delegation);
}

Task<std::variant<SessionOwner, LoginRefusal, channel::Refusal>> decide(ChainService& chain,
                                                                        RedeemedLogin login) {
    if (const auto* wallet = std::get_if<WalletLogin>(&login.redeemed)) {
        const auto address = wallet->address;
        const auto refused = co_await refuse_by_wallet(chain, *wallet);
        if (refused) {
            if (const auto* why = std::get_if<channel::Refusal>(&*refused)) co_return *why;
            co_return std::get<LoginRefusal>(*refused);
        }
        login.redeemed = address;
    }
    if (const auto decided = decide_by_key(login)) {
        if (const auto* refusal = std::get_if<LoginRefusal>(&*decided)) co_return *refusal;
        co_return std::get<SessionOwner>(*decided);
    }
    const auto judged = judge(*login.delegation, login.domain,
                              std::get<channel::Address>(login.redeemed), login.at);
    const auto& by_wallet = std::get<WalletDelegation>(judged);
    const auto refused = co_await refuse_by_wallet(chain, by_wallet.question);
    if (!refused) co_return owner_by(by_wallet.delegation);
    if (const auto* why = std::get_if<channel::Refusal>(&*refused)) co_return *why;
    co_return std::get<LoginRefusal>(*refused);
}

}  // namespace millrace::api
