#pragma once

#include "api/x402/answers.hpp"
#include "channel/bytes.hpp"

#include <optional>
#include <span>

namespace millrace::api::x402 {

// What can be said of a payment without the chain, in the order in which x402 facilitators say it.

/// That the payload accepts what the server requires: scheme and network (`scheme`,
/// `network_mismatch`).
std::optional<Objection> object_to_accepted(const FacilitatorRequest& request);

/// That a channel is the one that is named and required: `channel_id_mismatch`,
/// `receiver_mismatch`, `receiver_authorizer_mismatch`, `token_mismatch`,
/// `withdraw_delay_mismatch`, `withdraw_delay_out_of_range`.
std::optional<Objection> object_to_channel(const channel::Digest& escrow_separator,
                                           const ChannelVoucher& paid,
                                           const Requirements& requirements);

/// That the deposit is by the method that is required, if one is, and the token's domain told:
/// `permit2_authorization_required`, `erc3009_authorization_required`, `missing_eip712_domain`.
std::optional<Objection> object_to_method(const ledger::chain::GaslessDeposit& deposit,
                                          const Requirements& requirements);

/// What a voucher is for: a refund's may be for exactly what is claimed.
enum class VoucherUse { payment, refund };
/// That the balance, with what is about to be deposited, covers the voucher, and that the voucher
/// is above what is claimed: `channel_not_found`, `cumulative_exceeds_balance`,
/// `cumulative_below_claimed`.
std::optional<Objection> object_to_voucher(const ledger::chain::ChannelTotals& totals,
                                           channel::Amount deposit, channel::Amount max_claimable,
                                           VoucherUse use);

/// That rows can stand in one claim for the required receiver and token: one receiver authorizer,
/// each channel once, none above its voucher. `receiver_mismatch`, `token_mismatch`,
/// `authorizer_address_mismatch`, `charge_exceeds_signed_cumulative`, `claim_payload`.
std::optional<Objection> object_to_rows(const channel::Digest& escrow_separator,
                                        std::span<const ledger::chain::VoucherClaim> rows,
                                        const Requirements& requirements);

}  // namespace millrace::api::x402
