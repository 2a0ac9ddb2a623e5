#pragma once

#include "ledger/proof/journal.hpp"

#include <string>
#include <string_view>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Writes the members of one JSON object of an export onto `out`; closed by `end`.
class JsonLine {
public:
    JsonLine(std::string& out, std::string_view type);
    /// An object within a list, which has no type.
    explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }

    JsonLine& text(std::string_view name, std::string_view value);
    /// Text that is JSON already: a number, an object, a list.
    JsonLine& json(std::string_view name, std::string_view value);
    /// A column as text; left out when it is null.
    JsonLine& column(std::string_view name, const pqxx::field& field);
    /// A bytea column as "0x" hex; left out when it is null.
    JsonLine& bytes(std::string_view name, const pqxx::field& field);
    /// A timestamptz column in UTC.
    JsonLine& time(std::string_view name, std::string_view value);
    /// All fields of a row of the journal.
    JsonLine& row(const JournalRow& row);
    void end() { out_ += '}'; }

private:
    void name(std::string_view name);
    void string(std::string_view value);
    void hex(std::string_view bytea);

    std::string& out_;
};

/// The list of an entry that has the rows of a table.
std::string_view list_of(JournalTable table);

/// "channel_id" → "channelId"
std::string camel_case(std::string_view column);

}  // namespace millrace::ledger
