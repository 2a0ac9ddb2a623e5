#include "ledger/audit/csv.hpp"

namespace millrace::ledger {

void append_csv_field(std::string& out, std::string_view field) {
    if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += field;
        return;
    }
    out += '"';
    for (const char letter : field) {
        if (letter == '"') out += '"';
        out += letter;
    }
    out += '"';
}

}  // namespace millrace::ledger
