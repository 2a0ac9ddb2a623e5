#pragma once

#include <cstdint>
#include <string>

namespace millrace::ledger {

/// What does not hold, by the rules of ledger/proof/README.md ("What holds").
struct Finding {
    std::string rule;
    /// 0 where no number is concerned.
    std::uint64_t seq = 0;
    /// Table of the row, and what tells it from others there.
    std::string table;
    std::string key;
    std::string explanation;
};

/// Thrown by the checks, which stop at the first thing that does not hold.
struct Broken {
    Finding finding;
};

[[noreturn]] inline void broken(std::string rule, std::string table, std::string key,
                                std::string explanation, std::uint64_t seq = 0) {
    throw Broken{{std::move(rule), seq, std::move(table), std::move(key), std::move(explanation)}};
}

}  // namespace millrace::ledger
