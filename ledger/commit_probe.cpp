#include "ledger/commit_probe.hpp"

#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr std::uint32_t kBytea = 17;

}  // namespace

CommitProbe::CommitProbe(const std::string& postgres, std::size_t bytes)
    : connection_("millrace-bench", postgres, kTimeout),
      statement_{"commit_probe", "select pg_logical_emit_message(true, 'millrace', $1)", {kBytea}},
      message_(bytes, '.') {
    if (!connection_.good()) throw std::runtime_error(connection_.error());
}

void CommitProbe::commit() {
    constexpr int kBinary = 1;
    const auto answer = connection_.execute(
        statement_, {{message_.data()}, {static_cast<int>(message_.size())}, {kBinary}});
    if (!is_written(answer.get())) throw std::runtime_error(connection_.error());
}

}  // namespace millrace::ledger
