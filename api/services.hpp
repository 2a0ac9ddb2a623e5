#pragma once

#include "api/config.hpp"
#include "ledger/asset.hpp"

namespace millrace::api {

class ChainService;
class Challenges;
class Database;
class Metrics;
class Shards;
class Tokens;

/// What the edge of the service works with. All of it outlives the I/O threads' work.
struct Services {
    const Config& config;
    const ledger::Assets& assets;
    Database& database;
    Shards& shards;
    ChainService& chain;
    const Tokens& tokens;
    Challenges& challenges;
    Metrics& metrics;
};

}  // namespace millrace::api
