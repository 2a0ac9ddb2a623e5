#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/hex.hpp"

#include <catch2/catch.hpp>

#include <string>

/// How values of channel/ appear in the message of a failed check.
template <>
struct Catch::StringMaker<millrace::channel::Amount> {
    static std::string convert(millrace::channel::Amount amount) { return to_string(amount); }
};

template <class Tag, std::size_t N>
struct Catch::StringMaker<millrace::channel::FixedBytes<Tag, N>> {
    static std::string convert(const millrace::channel::FixedBytes<Tag, N>& value) {
        return millrace::channel::to_hex(value);
    }
};
