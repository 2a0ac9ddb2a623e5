#pragma once

#include "channel/amount.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "ledger/audit/verify/finding.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

namespace millrace::ledger {

/// Reads the members of an object of an export. What is missing or malformed is thrown as `Broken`
/// by the rule `format`.
class Fields {
public:
    explicit Fields(const boost::json::object& object) : object_(object) {}

    bool has(std::string_view name) const { return object_.contains(name); }
    std::string_view text(std::string_view name) const;
    /// Nullopt when it is not there.
    std::optional<std::string_view> optional_text(std::string_view name) const;
    channel::Amount amount(std::string_view name) const;
    std::optional<channel::Amount> optional_amount(std::string_view name) const;
    /// Text of a decimal number of 64 bits.
    std::uint64_t number(std::string_view name) const;
    std::optional<std::uint64_t> optional_number(std::string_view name) const;
    /// A JSON number.
    std::uint64_t json_number(std::string_view name) const;
    channel::Bytes bytes(std::string_view name) const;
    template <class Fixed>
    Fixed fixed(std::string_view name) const {
        const auto value = channel::parse_fixed<Fixed>(text(name));
        if (!value) malformed(name);
        return *value;
    }
    template <class Fixed>
    std::optional<Fixed> optional_fixed(std::string_view name) const {
        if (!has(name)) return std::nullopt;
        return fixed<Fixed>(name);
    }
    Fields object(std::string_view name) const;
    /// Empty when it is not there.
    std::vector<Fields> list(std::string_view name) const;
    const boost::json::object& members() const { return object_; }

    [[noreturn]] void malformed(std::string_view name) const;

private:
    const boost::json::object& object_;
};

/// One line of an export.
class ExportLine {
public:
    explicit ExportLine(std::string_view text);
    std::string_view type() const { return fields().text("type"); }
    Fields fields() const { return Fields(value_.get_object()); }

private:
    boost::json::value value_;
};

}  // namespace millrace::ledger
