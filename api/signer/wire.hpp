#pragma once

#include "channel/secp256k1.hpp"
#include "ledger/chain/signer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::api {

/// How the service talks with the signer: frames of four bytes that give the length of what
/// follows, big endian, and a JSON object. Each question has one answer, in the order of questions.
inline constexpr std::size_t kSignerFrameBytesMax = 1024 * 1024;
using FrameHeader = std::array<std::uint8_t, 4>;
FrameHeader frame_header(std::size_t bytes);
std::size_t frame_bytes(const FrameHeader& header);

/// Who are you?
struct HelloQuestion {};
struct ClaimsQuestion {
    ledger::chain::EscrowContract escrow;
    std::vector<ledger::chain::VoucherClaim> rows;
};
struct RefundQuestion {
    ledger::chain::EscrowContract escrow;
    channel::ChannelConfig config;
    channel::Word nonce;
    channel::Amount amount;
};
struct TransactionQuestion {
    ledger::chain::Transaction transaction;
};
using SignerQuestion =
    std::variant<HelloQuestion, ClaimsQuestion, RefundQuestion, TransactionQuestion>;

struct HelloAnswer {
    channel::Address authorizer;
    channel::Address relayer;
    ledger::chain::ContractPayers contract_payers = ledger::chain::ContractPayers::refused;
};
struct RefusedAnswer {
    std::string why;
};
struct UnavailableAnswer {
    std::string why;
};
/// The question is none; the connection ends with this.
struct MalformedAnswer {
    std::string why;
};
using SignerAnswer = std::variant<HelloAnswer, channel::Signature, RefusedAnswer, UnavailableAnswer,
                                  MalformedAnswer>;

/// What came is not what may come; the text says where.
struct MalformedFrame : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::string render(const SignerQuestion& question);
/// Every member has to be there, of its form, and no other. Throws MalformedFrame.
SignerQuestion parse_question(std::string_view text);

std::string render(const SignerAnswer& answer);
/// Throws MalformedFrame.
SignerAnswer parse_answer(std::string_view text);

}  // namespace millrace::api
