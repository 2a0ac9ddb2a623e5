#pragma once

#include "ledger/proof/log_store.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace millrace::ledger {

/// What its header calls the form of the lines (ledger/proof/README.md).
inline constexpr std::string_view kExportForm = "millrace-export/2";

enum class ExportFormat { ndjson, csv };

struct ExportScope {
    ExportFormat format = ExportFormat::ndjson;
    std::uint64_t from = 1;
    /// Nullopt: all that is committed.
    std::optional<std::uint64_t> to;
};

/// The bound that is beyond the books or on the wrong side of the other, "from" or "to"; empty when
/// both are good. `seq` is the newest number. An export of such a range would hold for nobody.
std::string_view wrong_bound(const ExportScope& scope, std::uint64_t seq);

/// What is not in the database.
struct ExportContext {
    /// The escrow of each network that is served, by its CAIP-2 name.
    std::map<std::string, channel::Address> contracts;
    /// Of the transparency log; empty where there is none.
    std::string origin;
    std::string key;
    Time at;
};

/// The journal as text, a stretch at a time (ledger/proof/README.md, Export). It holds about a
/// thousand numbers in memory, however many there are. Whatever is in the database is told as it
/// is: an export of tampered books is what a verifier needs.
class Export {
public:
    /// `reading` outlives it, sees one state all the time and is in UTC, as that of a `Snapshot`;
    /// `seq` is the newest number there. The scope has no `wrong_bound`.
    Export(pqxx::transaction_base& reading, std::uint64_t seq, ExportScope scope,
           ExportContext context);
    ~Export();

    /// The next lines; empty when all has been told.
    std::string next();
    /// SHA-256 of all that was told so far, in hex without "0x".
    std::string digest() const;
    /// The newest tree head, for formats that do not carry it.
    const std::optional<StoredHead>& head() const { return head_; }

private:
    using Step = bool (Export::*)(std::string&);
    struct Section;
    static std::vector<Step> steps_of(ExportFormat format);

    bool header(std::string& out);
    bool assets(std::string& out);
    bool channels(std::string& out);
    bool reservations(std::string& out);
    bool opening_balances(std::string& out);
    bool strays(std::string& out);
    bool entries(std::string& out);
    bool accounts(std::string& out);
    bool proof(std::string& out);
    bool trailer(std::string& out);
    bool csv_header(std::string& out);
    bool csv_postings(std::string& out);

    bool from_cursor(const std::string& query, std::string& out,
                     void (Export::*write)(const pqxx::row&, std::string&));
    void write_channel(const pqxx::row& row, std::string& out);
    void write_reservation(const pqxx::row& row, std::string& out);
    void write_opening_balance(const pqxx::row& row, std::string& out);
    void write_stray(const pqxx::row& row, std::string& out);
    void write_account(const pqxx::row& row, std::string& out);
    void write_balance(std::string_view type, const pqxx::row& row, std::string& out);
    void write_posting(const pqxx::row& row, std::string& out);
    void count(const std::string& text);

    pqxx::transaction_base& reading_;
    ExportScope scope_;
    ExportContext context_;
    std::uint64_t seq_;
    std::uint64_t to_;
    std::optional<StoredHead> head_;
    std::vector<Step> steps_;
    std::size_t step_ = 0;
    bool cursor_is_open_ = false;
    std::uint64_t next_number_;
    std::uint64_t lines_ = 0;
    struct Release {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Release> digest_;
};

}  // namespace millrace::ledger
