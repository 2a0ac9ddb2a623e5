#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

/// A one-dimensional array parameter in Postgres's binary form, built by appending; its values can
/// be sent one by one as well. libpqxx has no binary parameters, and text ones cost the server a
/// parse per value on the hot path.
class PgArray {
public:
    enum class Element : std::uint32_t {
        bytea = 17,
        int8 = 20,
        int4 = 23,
        text = 25,
        date = 1082,
        timestamptz = 1184,
        numeric = 1700
    };

    explicit PgArray(Element element);

    void add(std::int64_t value);
    void add(std::int32_t value);
    void add(std::string_view text);
    void add(channel::BytesView bytes);
    void add(channel::Amount amount);
    void add(Day day);
    void add(Time time);
    void add_null();
    template <class T>
    void add(const std::optional<T>& value) {
        value ? add(*value) : add_null();
    }

    std::size_t size() const { return static_cast<std::size_t>(count_); }
    Element element() const { return element_; }
    /// One by one, in binary form; nullopt for a null. Points into this object.
    std::vector<std::optional<std::string_view>> values() const;
    /// The type of the array itself (pg_type.oid).
    std::uint32_t array_oid() const;
    /// The bytes to send; may be asked for again after more was added.
    const std::string& bytes();
    void clear();

private:
    Element element_;
    std::int32_t count_ = 0;
    bool has_null_ = false;
    std::string bytes_;
};

}  // namespace millrace::ledger
