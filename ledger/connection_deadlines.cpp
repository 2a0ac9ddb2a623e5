#include "ledger/connection_deadlines.hpp"

#include <libpq-fe.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace millrace::ledger {
namespace {

struct OptionsDeleter {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
struct TextDeleter {
    void operator()(char* text) const { PQfreemem(text); }
};

std::string quoted(std::string_view value) {
    std::string text = "'";
    for (const char letter : value) {
        if (letter == '\'' || letter == '\\') text += '\\';
        text += letter;
    }
    return text + "'";
}

}  // namespace

std::string with_deadlines(const std::string& postgres) {
    char* why = nullptr;
    const std::unique_ptr<PQconninfoOption, OptionsDeleter> options(
        PQconninfoParse(postgres.c_str(), &why));
    const std::unique_ptr<char, TextDeleter> told(why);
    if (!options)
        throw std::invalid_argument(told ? told.get() : "there is no memory to read it in");
    std::map<std::string, std::string> values{{"connect_timeout", "5"},
                                              {"tcp_user_timeout", "30000"},
                                              {"keepalives_idle", "10"},
                                              {"keepalives_interval", "5"},
                                              {"keepalives_count", "4"}};
    for (const auto* option = options.get(); option->keyword; ++option)
        if (option->val) values[option->keyword] = option->val;
    std::string text;
    for (const auto& [keyword, value] : values)
        text += (text.empty() ? "" : " ") + keyword + "=" + quoted(value);
    return text;
}

}  // namespace millrace::ledger
