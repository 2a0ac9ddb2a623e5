#include "api/database.hpp"

namespace millrace::api {

Database::Database(std::string postgres, unsigned threads)
    : postgres_(std::move(postgres)), pool_(threads) {}

Database::~Database() {
    pool_.join();
}

Database::Lent::~Lent() {
    if (connection && connection->is_open()) database->give_back(std::move(connection));
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
