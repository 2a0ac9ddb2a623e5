#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

/// Text in columns, for people. Columns of numbers stand to the right.
class Table {
public:
    enum class Align { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    bool empty() const { return rows_.empty(); }
    std::string text() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// Base units as a decimal with all its places: ("1234567", 6) is "1.234567". Exact.
std::string in_coins(std::string_view base_units, unsigned decimals);

}  // namespace millrace::api
