#include "tests/support/audited_export.hpp"

#include "ledger/posted_seq.hpp"
#include "ledger/text_form.hpp"

namespace support {

std::string exported(const Books& books, pqxx::transaction_base& transaction,
                     const std::string& log_key, ledger::ExportScope scope, ledger::Time at) {
    transaction.exec(ledger::kOneTextForm);
    ledger::ExportContext context;
    for (const auto& [id, asset] : books.assets)
        context.contracts[channel::to_string(asset.network)] = asset.contract;
    context.key = log_key;
    context.origin = log_key.substr(0, log_key.find('+'));
    context.at = at;
    const auto seq = transaction.exec1(ledger::kPostedSeq)[0];
    ledger::Export source(transaction, seq.as<std::uint64_t>(), scope, context);
    std::string text;
    for (auto more = source.next(); !more.empty(); more = source.next()) text += more;
    return text;
}

std::optional<ledger::Finding> verified(const std::string& text,
                                        ledger::VerificationSettings settings) {
    ledger::Verification verification(std::move(settings));
    try {
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find('\n', at), text.size());
            const auto line = std::string_view(text).substr(at, end - at);
            std::optional<ledger::AuditedEntry> entry;
            if (ledger::Verification::is_entry(line)) entry = verification.examine(line);
            verification.take(line, entry ? &*entry : nullptr);
            at = end + 1;
        }
        verification.finish();
    } catch (const ledger::Broken& broken) {
        return broken.finding;
    }
    return std::nullopt;
}

}  // namespace support
