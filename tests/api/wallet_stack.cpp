#include "tests/api/wallet_stack.hpp"

#include "channel/keccak.hpp"
#include "channel/permit_transfer.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "tests/support/wallet_code.hpp"

#include <algorithm>
#include <stdexcept>

namespace support {

namespace chain = ledger::chain;
using channel::Amount;
using channel::VoucherSignature;

Wallet::Wallet(ChainStack& chain_stack, const channel::Address& paid)
    : stack(chain_stack), receiver(paid) {
    chain::AbiTuple owners;
    owners.add(Anvil::key(kFirstOwner).address()).add(Anvil::key(kSecondOwner).address());
    address = stack.anvil.deploy(chain::code::kTwoOwnerWalletCreation, owners.encode());
    chain::AbiTuple gift;
    gift.add(address).add(std::uint64_t{100'000});
    stack.anvil.send(0, stack.anvil.token(), chain::encode_call({0xa9, 0x05, 0x9c, 0xbb}, gift));
    chain::AbiTuple approval;
    approval.add(stack.anvil.token()).add(chain::kPermit2);
    call("approve(address,address)", approval);
}

channel::Bytes Wallet::signed_by_both(const channel::Digest& digest) {
    channel::Bytes both;
    for (const auto owner : {kFirstOwner, kSecondOwner}) {
        const auto signature = Anvil::key(owner).sign(digest);
        both.insert(both.end(), signature.bytes.begin(), signature.bytes.end());
    }
    return both;
}

void Wallet::call(std::string_view function, const chain::AbiTuple& arguments) {
    const auto hash = channel::keccak256(function);
    chain::Selector selector;
    std::copy_n(hash.bytes.begin(), selector.size(), selector.begin());
    stack.anvil.send(0, address, chain::encode_call(selector, arguments));
}

channel::ChannelConfig Wallet::terms(std::uint64_t salt) const {
    auto made = stack.terms(kFirstOwner, receiver, salt);
    made.payer = address;
    return made;
}

api::GaslessDeposit Wallet::deposit(const channel::ChannelConfig& terms, std::uint64_t amount,
                                    std::uint64_t nonce) const {
    auto made = stack.permit2_deposit(kFirstOwner, terms, amount, nonce);
    auto& authorization = std::get<chain::Permit2Authorization>(made.authorization);
    const channel::PermitTransfer transfer{authorization.token,    authorization.amount,
                                           authorization.spender,  authorization.nonce,
                                           authorization.deadline, authorization.channel_id};
    authorization.signature = signed_by_both(
        channel::digest(channel::permit2_separator(Anvil::kChainId, chain::kPermit2), transfer));
    return made;
}

channel::ChannelId Wallet::opened(const channel::ChannelConfig& terms, std::uint64_t amount,
                                  std::uint64_t nonce) const {
    const auto outcome = stack.run(
        stack.chain().open(stack.network().network, terms, "", deposit(terms, amount, nonce)));
    if (const auto error = error_of(outcome))
        throw std::runtime_error("not opened: " + std::string(channel::reason(*error)));
    if (!stack.wait_for_status(stack.id(terms), channel::Status::open))
        throw std::runtime_error("the deposit did not count in time");
    return stack.id(terms);
}

void Wallet::deposit_directly(const channel::ChannelConfig& terms, std::uint64_t amount,
                              std::uint64_t nonce) const {
    chain::DepositTerms deposits;
    deposits.permit2_collector = stack.network().permit2_collector;
    stack.anvil.send(0, escrow_address(),
                     chain::deposit_call(deposits, terms, deposit(terms, amount, nonce)));
}

channel::SignedVoucher Wallet::voucher(const channel::ChannelId& id, std::uint64_t max) const {
    const auto digest =
        channel::digest(stack.asset().escrow_separator, channel::Voucher{id, Amount{max}});
    return {Amount{max}, VoucherSignature::from_bytes(signed_by_both(digest)).value()};
}

std::optional<channel::Error> Wallet::ask(const channel::ChannelId& id,
                                          const channel::SignedVoucher& voucher) const {
    return error_of(stack.run(stack.chain().ask_wallet(id, voucher)));
}

}  // namespace support
