#include "api/database.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api {
namespace {

constexpr std::chrono::seconds kPatience{5};

}  // namespace

Database::Database(std::string postgres, unsigned threads)
    : postgres_(std::move(postgres)), pool_(threads) {}

Database::~Database() {
    pool_.join();
}

Database::Lent::~Lent() {
    if (connection && connection->is_open()) database->give_back(std::move(connection));
}

bool Database::wait_for_backlog() {
    if (!backlog_ || backlog_->wait_until_posted(kPatience)) return true;
    spdlog::warn("the ledger lacks payments that are acknowledged and not posted");
    return false;
}

std::unique_ptr<pqxx::connection> Database::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            return connection;
        }
    }
    return std::make_unique<pqxx::connection>(postgres_);
}

void Database::give_back(std::unique_ptr<pqxx::connection> connection) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
}

}  // namespace millrace::api
