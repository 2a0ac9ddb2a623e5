#include "api/auth/audit_keys.hpp"
#include "api/cli/audit/operator_database.hpp"
#include "api/cli/audit/subcommands.hpp"
#include "api/cli/audit/time_option.hpp"
#include "api/cli/config_option.hpp"
#include "api/cli/table.hpp"
#include "api/clock.hpp"
#include "ledger/audit/audit_key.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kNameLengthMax = 200;

struct KeyOptions {
    std::string config;
    std::string name;
    std::vector<std::string> scopes{"ledger"};
    std::string expires = "90d";
    std::string id;
    bool json = false;
};

std::string scopes_text(const ledger::AuditScopes& scopes) {
    std::string text;
    for (const auto scope : scopes) {
        if (!text.empty()) text += ',';
        text += ledger::to_string(scope);
    }
    return text;
}

std::string state_of(const ledger::AuditKey& key, ledger::Time at) {
    if (key.revoked_at) return "revoked " + to_seconds(*key.revoked_at);
    return key.expires_at <= at ? "expired" : "good";
}

json::object key_json(const ledger::AuditKey& key) {
    json::array scopes;
    for (const auto scope : key.scopes) scopes.emplace_back(ledger::to_string(scope));
    json::object object{{"id", key.id},
                        {"name", key.name},
                        {"scopes", std::move(scopes)},
                        {"createdAt", ledger::to_rfc3339(key.created_at)},
                        {"expiresAt", ledger::to_rfc3339(key.expires_at)}};
    if (key.revoked_at) object["revokedAt"] = ledger::to_rfc3339(*key.revoked_at);
    return object;
}

ledger::AuditKey key_from(const KeyOptions& options, const NewAuditKey& drawn) {
    const auto at = now();
    ledger::AuditKey key{drawn.id, options.name, drawn.digest, {}, at, at};
    for (const auto& name : options.scopes)
        if (const auto scope = ledger::parse_audit_scope(name)) key.scopes.insert(*scope);
    key.expires_at = parse_time_ahead(options.expires, at).value_or(at);
    if (key.expires_at <= at) throw CommandError("--expires: this is not in the future");
    return key;
}

int create(const KeyOptions& options) {
    const auto connection = open_operator_database(options.config);
    const auto drawn = draw_audit_key();
    const auto key = key_from(options, drawn);
    ledger::add_audit_key(*connection, key);
    if (options.json) {
        auto object = key_json(key);
        object["key"] = drawn.text;
        fmt::print("{}\n", json::serialize(object));
        return kExitDone;
    }
    // The key alone goes to standard output, so that a script can take it.
    fmt::print(stderr,
               "Key {} for {}: scope {}, good until {}. It is shown this once and kept nowhere:\n",
               key.id, key.name, scopes_text(key.scopes), to_seconds(key.expires_at));
    fmt::print("{}\n", drawn.text);
    return kExitDone;
}

int list(const KeyOptions& options) {
    const auto connection = open_operator_database(options.config);
    const auto keys = ledger::list_audit_keys(*connection);
    const auto at = now();
    if (options.json) {
        json::array all;
        for (const auto& [key, used_at] : keys) {
            auto object = key_json(key);
            object["state"] = key.revoked_at ? "revoked" : state_of(key, at);
            if (used_at) object["usedAt"] = ledger::to_rfc3339(*used_at);
            all.push_back(std::move(object));
        }
        fmt::print("{}\n", json::serialize(json::object{{"keys", std::move(all)}}));
        return kExitDone;
    }
    Table table({{"ID"}, {"NAME"}, {"SCOPE"}, {"EXPIRES"}, {"LAST USED"}, {"STATE"}});
    for (const auto& [key, used_at] : keys)
        table.add({key.id, key.name, scopes_text(key.scopes), to_seconds(key.expires_at),
                   used_at ? to_seconds(*used_at) : "never", state_of(key, at)});
    fmt::print("{}", table.text());
    return kExitDone;
}

int revoke(const KeyOptions& options) {
    const auto connection = open_operator_database(options.config);
    const auto key = ledger::revoke_audit_key(*connection, options.id, now());
    if (!key)
        throw CommandError(
            fmt::format("there is no key {}; millrace audit key list shows them", options.id));
    fmt::print("{} ({}) is revoked since {}; services refuse it within {} seconds\n", key->id,
               key->name, to_seconds(*key->revoked_at), AuditKeys::kRemembered.count());
    return kExitDone;
}

std::string check_name(const std::string& name) {
    const bool readable = std::none_of(name.begin(), name.end(), [](unsigned char letter) {
        return letter < 0x20 || letter == 0x7f;
    });
    if (!name.empty() && name.size() <= kNameLengthMax && readable) return {};
    return "expected a name in one line, of at most 200 bytes";
}

std::string check_scope(const std::string& name) {
    if (ledger::parse_audit_scope(name)) return {};
    return "expected ledger, channels or export, or several of them with commas";
}

void add_create(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("create", "Make a key and show it, once");
    const auto options = std::make_shared<KeyOptions>();
    add_config_option(*command, options->config);
    command->add_option("--name", options->name, "Whose it is")->required()->check(check_name);
    command
        ->add_option("--scope", options->scopes,
                     "ledger: accounts, statements, entries, trial balance, reconciliation; "
                     "channels: channels and payments; export: whole copies of the books")
        ->delimiter(',')
        ->check(check_scope);
    command->add_option("--expires", options->expires, "In days or hours, or at an RFC 3339 time")
        ->check(check_time_option)
        ->type_name("TIME");
    command->add_flag("--json", options->json, "Print the key and what is kept of it as JSON");
    command->footer(
        "Only its SHA-256 is kept.\n\nExample:\n"
        "  millrace audit key create --name \"Jones & Partners\" --scope ledger,channels "
        "--expires 30d");
    command->callback([&action, options] { action = [options] { return create(*options); }; });
}

void add_list(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("list", "All keys there ever were");
    const auto options = std::make_shared<KeyOptions>();
    add_config_option(*command, options->config);
    command->add_flag("--json", options->json, "Print them as JSON");
    command->callback([&action, options] { action = [options] { return list(*options); }; });
}

void add_revoke(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("revoke", "End a key now; repeating it changes nothing");
    const auto options = std::make_shared<KeyOptions>();
    add_config_option(*command, options->config);
    command->add_option("id", options->id, "As `list` shows it")->required()->type_name("ID");
    command->callback([&action, options] { action = [options] { return revoke(*options); }; });
}

}  // namespace

void add_audit_key(CLI::App& audit, Action& action) {
    auto* command = audit.add_subcommand("key", "API keys for auditors (in the database itself)");
    command->require_subcommand(1);
    for (const auto add : {add_create, add_list, add_revoke}) add(*command, action);
}

}  // namespace millrace::api
