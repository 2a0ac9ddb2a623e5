#pragma once

#include "ledger/channel_reader.hpp"
#include "ledger/request.hpp"

#include <optional>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// What a shard would make of an accept, going by what is committed. For what has to be known
/// before a deposit is sent for it; the shard has the last word.
struct AcceptPreview {
    /// Nothing when the service does not know the channel.
    std::optional<ChannelRecord> channel;
    /// The first result, when this is a repeat.
    std::optional<PaymentResult> before;
    /// Why it would be refused; signatures are not looked at.
    std::optional<channel::Refusal> refusal;
};

/// `request` carries an `Accept`. Its channel is taken as it will be when `deposit` has come in;
/// one that is not known, as new, where `deposit` is not zero.
AcceptPreview preview_accept(pqxx::connection& connection, const PaymentRequest& request,
                             channel::Amount deposit);

}  // namespace millrace::ledger
