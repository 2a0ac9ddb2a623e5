#include "api/cli/audit/output_file.hpp"
#include "api/cli/audit/statement_document.hpp"
#include "api/cli/audit/statement_pdf.hpp"
#include "api/cli/audit/subcommands.hpp"
#include "api/cli/http_client.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/table.hpp"
#include "api/clock.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// What the service gives at once.
constexpr std::string_view kPage = "1000";
/// Laying out pages takes about 10 ms and a quarter of a megabyte for each.
constexpr std::size_t kPdfLegsMax = 5'000;

struct StatementOptions {
    std::shared_ptr<ServiceOptions> service;
    std::string account;
    std::string from;
    std::string to;
    std::string format = "html";
    std::string out;
};

std::string text(const json::value& object, std::string_view key) {
    const auto* value = object.as_object().if_contains(key);
    if (!value) return {};
    return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

/// The pages of one statement, one after the other: a period of committed numbers never changes, so
/// they are of one piece.
class StatementPages {
public:
    explicit StatementPages(const StatementOptions& options)
        : service_(*options.service),
          path_("/v1/ledger/accounts/" + escaped(options.account) +
                "/statement?limit=" + std::string(kPage)) {
        auto first = path_;
        if (!options.from.empty()) first += "&from=" + escaped(options.from);
        if (!options.to.empty()) first += "&to=" + escaped(options.to);
        page_ = service_.get(first).value;
        path_ += "&from=" + text(page_, "from") + "&to=" + text(page_, "to");
    }

    const ServiceClient& service() const { return service_; }
    const json::value& page() const { return page_; }
    /// False behind the last.
    bool advance() {
        const auto next = text(page_, "next");
        if (next.empty()) return false;
        page_ = service_.get(path_ + "&after=" + escaped(next)).value;
        return true;
    }

private:
    ServiceClient service_;
    std::string path_;
    json::value page_;
};

StatementBalance balance_of(const json::value& account, unsigned decimals) {
    return {in_coins(text(account, "balance"), decimals), text(account, "side")};
}

StatementHead head_from(const json::value& page, const StatementOptions& options) {
    const auto& opening = page.at("opening");
    const auto decimals = opening.at("decimals").to_number<unsigned>();
    StatementHead head;
    head.account = text(opening, "id");
    head.kind = text(opening, "kind");
    head.owner = text(opening, "owner");
    head.network = text(opening, "network");
    head.token = text(opening, "token");
    head.symbol = text(opening, "symbol");
    head.from_seq = text(page, "from");
    head.to_seq = text(page, "to");
    head.from_asked = options.from;
    head.to_asked = options.to;
    head.seq = text(page, "seq");
    head.opening = balance_of(opening, decimals);
    head.closing = balance_of(page.at("closing"), decimals);
    head.debits = in_coins(text(page, "debits"), decimals);
    head.credits = in_coins(text(page, "credits"), decimals);
    head.service_url = options.service->url;
    head.produced_at = ledger::to_rfc3339(now());
    return head;
}

StatementLine line_from(const json::value& leg, unsigned decimals) {
    const auto amount = in_coins(text(leg, "amount"), decimals);
    const bool is_debit = text(leg, "side") == "debit";
    return {text(leg, "seq"),
            text(leg, "leg"),
            text(leg, "at"),
            text(leg, "cause"),
            text(leg, "reverses"),
            text(leg, "counterAccount"),
            is_debit ? amount : std::string(),
            is_debit ? std::string() : amount,
            {in_coins(text(leg, "balance"), decimals), text(leg, "balanceSide")}};
}

/// Writes the whole document; gives how many legs it has. Throws CommandError when the legs do not
/// lead from the opening balance to the closing one, or pass `legs_max`.
std::size_t write_statement(StatementPages& pages, const StatementOptions& options,
                            const StatementFormat& format, OutputFile& out, std::size_t legs_max) {
    const auto head = head_from(pages.page(), options);
    const auto decimals = pages.page().at("opening").at("decimals").to_number<unsigned>();
    out.write(format.begin(head));
    auto balance = head.opening;
    std::size_t legs = 0;
    do {
        for (const auto& leg : pages.page().at("legs").as_array()) {
            const auto line = line_from(leg, decimals);
            balance = line.balance;
            out.write(format.line(head, line));
            if (++legs > legs_max)
                throw CommandError(fmt::format(
                    "--format pdf: more than {} legs; take a shorter period, html or csv",
                    legs_max));
        }
    } while (pages.advance());
    if (balance.amount != head.closing.amount || balance.side != head.closing.side)
        throw CommandError(fmt::format(
            "the legs lead to a balance of {} {}, but the closing balance is {} {}: the books are "
            "broken",
            balance.amount, balance.side, head.closing.amount, head.closing.side));
    const StatementProof proof{pages.service().find_text("/v1/log/checkpoint")};
    out.write(format.end(head, proof));
    out.finish();
    return legs;
}

/// A folder of this process alone, gone with its owner.
class PrivateFolder {
public:
    PrivateFolder() : path_((fs::temp_directory_path() / "millrace-statement-XXXXXX").string()) {
        if (!mkdtemp(path_.data()))
            throw CommandError("no temporary folder can be made; set TMPDIR");
    }
    ~PrivateFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    PrivateFolder(const PrivateFolder&) = delete;
    PrivateFolder& operator=(const PrivateFolder&) = delete;
    fs::path path() const { return path_; }

private:
    std::string path_;
};

void write_pdf(StatementPages& pages, const StatementOptions& options, const fs::path& maker) {
    const PrivateFolder folder;
    const auto html = folder.path() / "statement.html";
    const auto pdf = folder.path() / "statement.pdf";
    OutputFile page(html.string());
    write_statement(pages, options, kHtmlStatement, page, kPdfLegsMax);
    make_pdf(maker, html, pdf);
    OutputFile out(options.out);
    out.copy(pdf);
    out.finish();
}

int statement(const StatementOptions& options) {
    if (options.service->json) {
        StatementPages pages(options);
        do {
            fmt::print("{}\n", json::serialize(pages.page()));
        } while (pages.advance());
        return kExitDone;
    }
    const bool is_pdf = options.format == "pdf";
    if (is_pdf && options.out.empty() && isatty(STDOUT_FILENO) != 0)
        throw CommandError("--format pdf: name a file with --out");
    const auto maker = is_pdf ? find_pdf_maker() : fs::path();
    StatementPages pages(options);
    if (is_pdf) {
        write_pdf(pages, options, maker);
    } else {
        OutputFile out(options.out);
        write_statement(pages, options, options.format == "csv" ? kCsvStatement : kHtmlStatement,
                        out, SIZE_MAX);
    }
    return kExitDone;
}

}  // namespace

void add_audit_statement(CLI::App& audit, Action& action) {
    auto* command = audit.add_subcommand(
        "statement", "An account's statement: opening balance, every leg, closing balance");
    const auto options = std::make_shared<StatementOptions>();
    options->service = add_service_options(*command, Audience::auditors);
    command->add_option("--account", options->account, "As `/v1/ledger/accounts` names it")
        ->required()
        ->type_name("ID");
    command
        ->add_option("--from", options->from,
                     "Behind this seq or time; default: from the beginning")
        ->type_name("MOMENT");
    command->add_option("--to", options->to, "Up to and including this seq or time; default: now")
        ->type_name("MOMENT");
    command->add_option("--format", options->format, "pdf (needs weasyprint), html or csv")
        ->check(CLI::IsMember({"pdf", "html", "csv"}));
    command->add_option("--out", options->out, "Default: standard output")->type_name("FILE");
    command->footer(
        "The statement of the next period begins with the balance that this one ends with: take "
        "the --to of one as the --from of the next.\n\n"
        "Example:\n"
        "  millrace audit statement --account 8453:0x8335…:earned:0x7099… \\\n"
        "    --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --format pdf --out "
        "january.pdf\n\n"
        "Exit codes: 0 done, 1 not, or the figures do not add up");
    command->callback([&action, options] { action = [options] { return statement(*options); }; });
}

}  // namespace millrace::api
