#pragma once

#include "ledger/asset.hpp"
#include "ledger/channel_batch.hpp"

#include <deque>
#include <functional>
#include <unordered_map>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Gives a connection, when there is something to be asked.
using Connect = std::function<pqxx::connection&()>;

/// Says of each log in the batch where it stands in the books.
void mark_posted(std::deque<BatchItem>& items, const Assets& assets,
                 const std::unordered_map<channel::ChannelId, LiveChannel>& channels,
                 const Connect& connect);

/// Reads for each request that undoes an event what that event was; once, if several do.
void read_undone(std::deque<BatchItem>& items, const Connect& connect);

}  // namespace millrace::ledger
