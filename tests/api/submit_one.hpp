#pragma once

#include "api/shards.hpp"

#include <utility>
#include <vector>

namespace support {

/// False when the queue of its shard is full.
inline bool submit_one(millrace::api::Shards& shards, millrace::ledger::Request request) {
    std::vector<millrace::ledger::Request> one;
    one.push_back(std::move(request));
    return shards.submit(std::move(one)).empty();
}

}  // namespace support
