#include "api/cli/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::api {
namespace {

std::string line_of(const std::vector<Table::Column>& columns,
                    const std::vector<std::size_t>& widths, const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t at = 0; at < cells.size(); ++at) {
        if (at > 0) line += "  ";
        line += columns[at].align == Table::Align::right
                    ? fmt::format("{:>{}}", cells[at], widths[at])
                    : fmt::format("{:<{}}", cells[at], widths[at]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + '\n';
}

}  // namespace

std::string Table::text() const {
    std::vector<std::string> titles;
    std::vector<std::size_t> widths;
    for (const auto& column : columns_) {
        titles.push_back(column.title);
        widths.push_back(column.title.size());
    }
    for (const auto& row : rows_)
        for (std::size_t at = 0; at < row.size(); ++at)
            widths[at] = std::max(widths[at], row[at].size());
    auto out = line_of(columns_, widths, titles);
    for (const auto& row : rows_) out += line_of(columns_, widths, row);
    return out;
}

std::string in_coins(std::string_view base_units, unsigned decimals) {
    const bool negative = base_units.starts_with('-');
    std::string digits(base_units.substr(negative ? 1 : 0));
    if (decimals == 0) return std::string(base_units);
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    digits.insert(digits.size() - decimals, ".");
    return (negative ? "-" : "") + digits;
}

}  // namespace millrace::api
