#pragma once

#include "api/chain/chain_service.hpp"
#include "api/config.hpp"
#include "api/stream/failure.hpp"
#include "ledger/asset.hpp"
#include "ledger/channel_reader.hpp"
#include "ledger/event_reader.hpp"
#include "ledger/request.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::api::stream {

// Writers of JSON that append to what is there already and make no intermediate value: answers of
// payments are written many times faster than they are paid for.

/// {"jsonrpc":"2.0","id":…,"result":…}; `id` and `result` are JSON text.
void append_result(std::string& out, std::string_view id, std::string_view result);
void append_payment_result(std::string& out, std::string_view id,
                           const ledger::PaymentResult& result);
/// The same of a payment.accept that brought a deposit, whose transaction is told as well.
void append_accept_result(std::string& out, std::string_view id,
                          const ledger::PaymentResult& result, const RelayedDeposit& deposit);
/// {"jsonrpc":"2.0","id":…,"error":{code, message, data:{reason?, field?, limit?}}}.
void append_error(std::string& out, std::string_view id, const Failure& failure);

/// The `data` of an event of topic `payment`: the name, the payment result and what the request
/// said of model, units, usage, receipt and so on. Live and replayed events have it from here
/// alone.
std::string payment_event_data(const ledger::PaymentCommitted& payment);
/// The notification of an event; `data` is JSON text.
void append_event(std::string& out, std::string_view subscription, std::uint64_t seq,
                  ledger::Topic topic, std::string_view data);

/// stream-protocol, Channel object.
void append_channel(std::string& out, const ledger::ChannelRecord& record,
                    const ledger::Asset& asset);
/// The same with what is open in it, the oldest first: `reservations`, each an `inferenceId`, the
/// `amount` that was reserved and what of it is `charged`.
void append_channel_with_reservations(std::string& out, const ledger::ChannelRecord& record,
                                      const ledger::Asset& asset);

std::string render(const OpenedChannel& opened);
std::string render(const RefundSent& sent);
std::string render(const ClaimSummary& claim);

/// The result of `server.info`.
std::string server_info(const Config& config, const channel::Address& receiver_authorizer);

void append_quoted(std::string& out, channel::Amount amount);
void append_quoted(std::string& out, std::uint64_t number);

}  // namespace millrace::api::stream
