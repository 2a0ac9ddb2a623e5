#include "ledger/audit/json_line.hpp"

#include "ledger/time.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cctype>

namespace millrace::ledger {
namespace {

std::string_view view_of(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}

bool needs_escape(unsigned char letter) {
    return letter < 0x20 || letter == '"' || letter == '\\';
}

}  // namespace

JsonLine::JsonLine(std::string& out, std::string_view type) : out_(out) {
    out_ += '{';
    text("type", type);
}

JsonLine& JsonLine::text(std::string_view member, std::string_view value) {
    name(member);
    string(value);
    return *this;
}

JsonLine& JsonLine::json(std::string_view member, std::string_view value) {
    name(member);
    out_ += value;
    return *this;
}

JsonLine& JsonLine::column(std::string_view member, const pqxx::field& field) {
    return field.is_null() ? *this : text(member, view_of(field));
}

JsonLine& JsonLine::bytes(std::string_view member, const pqxx::field& field) {
    if (field.is_null()) return *this;
    name(member);
    hex(view_of(field));
    return *this;
}

JsonLine& JsonLine::time(std::string_view member, std::string_view value) {
    const auto micros = parse_time(value);
    if (!micros) return text(member, value);
    return text(member, to_rfc3339(Time(std::chrono::microseconds(*micros))));
}

JsonLine& JsonLine::row(const JournalRow& row) {
    const auto fields = fields_of(row.table);
    for (std::size_t at = 0; at < fields.size(); ++at) {
        const auto& value = row.fields[at];
        if (!value) continue;
        const auto member = camel_case(fields[at].column);
        if (fields[at].kind == FieldKind::time) {
            time(member, *value);
        } else if (fields[at].kind == FieldKind::bytes) {
            name(member);
            hex(*value);
        } else {
            text(member, *value);
        }
    }
    return *this;
}

void JsonLine::name(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    string(name);
    out_ += ':';
}

void JsonLine::string(std::string_view value) {
    if (std::any_of(value.begin(), value.end(), needs_escape)) {
        out_ += boost::json::serialize(boost::json::string(value));
        return;
    }
    out_ += '"';
    out_ += value;
    out_ += '"';
}

void JsonLine::hex(std::string_view bytea) {
    out_ += "\"0x";
    out_ += bytea.substr(std::min<std::size_t>(2, bytea.size()));
    out_ += '"';
}

std::string_view list_of(JournalTable table) {
    constexpr std::string_view kLists[] = {"payments", "transfers", "chainEvents",
                                           "openings", "reversals", "events"};
    return kLists[static_cast<std::size_t>(table) - 1];
}

std::string camel_case(std::string_view column) {
    std::string name;
    bool is_first_of_word = false;
    for (const char letter : column) {
        if (letter == '_')
            is_first_of_word = true;
        else {
            name += is_first_of_word ? static_cast<char>(std::toupper(letter)) : letter;
            is_first_of_word = false;
        }
    }
    return name;
}

}  // namespace millrace::ledger
