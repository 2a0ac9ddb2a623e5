#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <cstdint>

namespace millrace::ledger::chain {

/// Builds one RLP list item by item (Ethereum yellow paper, appendix B). Numbers are written
/// without leading zero bytes, zero as the empty string.
class RlpList {
public:
    void add(channel::BytesView text);
    void add_number(const channel::Word& value);
    void add_number(std::uint64_t value);
    void add_number(channel::Amount value);
    void add_list(const RlpList& list);

    channel::Bytes encode() const;

private:
    channel::Bytes payload_;
};

}  // namespace millrace::ledger::chain
