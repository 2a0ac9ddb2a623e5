#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/demo/stack.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api::bench {

/// A long history of payments in the database of a development stack, made by paying.
class History {
public:
    explicit History(const DemoStack& stack);

    /// Pays on `channels` until there are so many rows, of which `there` are there already. The
    /// apps sign while others pay: how fast it goes says nothing. Throws std::runtime_error, before
    /// it begins when the disk has no room for it.
    void make(const std::string& token, std::vector<LoadChannel>& channels, std::uint64_t rows,
              std::uint64_t there);

    /// What the database has grown by for each, indexes included and its log not.
    double bytes_per_row() const { return bytes_per_row_; }

private:
    void look_for_room(std::uint64_t rows) const;
    std::uint64_t database_bytes() const;

    const DemoStack& stack_;
    std::uint64_t bytes_before_;
    double bytes_per_row_ = 0;
};

}  // namespace millrace::api::bench
