#include "ledger/wallet_channel_reader.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kWalletChannels = R"sql(
    select channel_id, asset_id, payer, receiver_authorizer from channel where voucher_signer = 'contract')sql";

}  // namespace

std::vector<WalletChannel> wallet_channels(pqxx::transaction_base& transaction) {
    std::vector<WalletChannel> channels;
    for (const auto& row : transaction.exec(kWalletChannels))
        channels.push_back({from_bytea<channel::ChannelId>(row[0]), row[1].as<std::int32_t>(),
                            from_bytea<channel::Address>(row[2]),
                            from_bytea<channel::Address>(row[3])});
    return channels;
}

}  // namespace millrace::ledger
