#pragma once

#include "channel/bytes.hpp"
#include "ledger/asset.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// What was committed of a claim, as an event of topic `settlement`. `data` is a JSON object: of a
/// claim's change name, claimId, status, network, token, receiver, transactions, channels, amount,
/// error; of a channel that is left out of claims (`quarantined`) name, channelId, network, token,
/// receiver, reason, detail, amount.
struct SettlementEvent {
    std::uint64_t seq = 0;
    std::string name;
    channel::Address receiver;
    std::string data;
};

/// The next number of the commit order. Makes every other writer wait until the end of the
/// transaction.
std::uint64_t take_seq(pqxx::transaction_base& transaction);

/// Writes the event down under its number.
void write_event(pqxx::transaction_base& transaction, const SettlementEvent& event,
                 const Asset& asset, Time now);

}  // namespace millrace::ledger
