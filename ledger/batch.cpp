#include "ledger/batch.hpp"

namespace millrace::ledger {
namespace {

channel::Bytes bytes_of(channel::BytesView view) {
    return {view.begin(), view.end()};
}

constexpr std::string_view kChannel = "channel";

}  // namespace

AccountKey escrow_account(std::int32_t asset_id) {
    return {asset_id, "escrow", {}};
}

AccountKey channel_account(const ChannelTerms& terms) {
    return {terms.asset_id, kChannel, bytes_of(terms.id.view())};
}

AccountKey earned_account(std::int32_t asset_id, const channel::Address& receiver) {
    return {asset_id, "earned", bytes_of(receiver.view())};
}

AccountKey claimed_account(std::int32_t asset_id, const channel::Address& receiver) {
    return {asset_id, "claimed", bytes_of(receiver.view())};
}

AccountKey gas_account(std::int32_t asset_id) {
    return {asset_id, "gas", {}};
}

AccountKey wallet_account(std::int32_t asset_id) {
    return {asset_id, "wallet", {}};
}

void add_transfer(Batch& batch, TransferRow row) {
    if (!row.amount.is_zero()) batch.transfers.push_back(std::move(row));
}

}  // namespace millrace::ledger
