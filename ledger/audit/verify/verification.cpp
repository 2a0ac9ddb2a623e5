#include "ledger/audit/verify/verification.hpp"

#include "ledger/audit/export.hpp"
#include "ledger/proof/journal.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace millrace::ledger {
namespace {

/// A row that no entry can have: its line alone says that it should not be there.
[[noreturn]] void refuse_stray(const Fields& line) {
    const auto number = line.optional_text("seq");
    const auto given = channel::parse_amount(number.value_or(""));
    const auto name = number ? "number " + std::string(*number) : std::string("no number");
    broken("number", std::string(line.text("table")), name + ": " + std::string(line.text("key")),
           "the row has a number that was never given out",
           given ? static_cast<std::uint64_t>(given->units()) : 0);
}

}  // namespace

void Verification::Release::operator()(EVP_MD_CTX* context) const {
    EVP_MD_CTX_free(context);
}

Verification::Verification(VerificationSettings settings)
    : settings_(std::move(settings)),
      key_(settings_.key),
      contracts_(settings_.contracts),
      digest_(EVP_MD_CTX_new()) {
    if (EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
}

Verification::~Verification() = default;

AuditedEntry Verification::examine(std::string_view line) const {
    return examine_entry(ExportLine(line).fields(), channels_);
}

Verification::Part Verification::part_of(std::string_view type) {
    constexpr std::pair<std::string_view, Part> kTypes[] = {
        {"header", Part::header},
        {"asset", Part::assets},
        {"channel", Part::channels},
        {"reservation", Part::reservations},
        {"opening_balance", Part::opening_balances},
        {"stray", Part::strays},
        {"entry", Part::entries},
        {"checkpoint", Part::entries},
        {"account", Part::accounts},
        {"proof", Part::proof},
        {"trailer", Part::trailer}};
    for (const auto& [name, part] : kTypes)
        if (name == type) return part;
    broken("format", "", std::string(type), "a line of a type that is not known");
}

void Verification::take(std::string_view text, const AuditedEntry* entry) {
    if (part_ == Part::end) broken("format", "", "", "there is something behind the trailer");
    if (entry) {
        if (!tree_) broken("format", "", "", "the export does not begin with its header");
        if (part_ > Part::entries) broken("format", "", "", "an entry is out of its place");
        part_ = Part::entries;
        take_entry(*entry);
        return add_to_digest(text);
    }
    const ExportLine parsed(text);
    const auto line = parsed.fields();
    const auto part = part_of(parsed.type());
    const bool is_header = part == Part::header;
    if (part < part_ || is_header == is_told_)
        broken("format", "", std::string(parsed.type()), "the line is out of its place");
    part_ = part;
    if (part >= Part::accounts && next_ != totals_.to + 1)
        broken("format", "", std::to_string(next_), "the number is missing", next_);
    switch (part) {
        case Part::header:
            take_header(line);
            break;
        case Part::assets:
            take_asset(line);
            break;
        case Part::channels:
            take_channel(line);
            break;
        case Part::reservations:
            replay_->add_reservation(
                line.fixed<channel::ChannelId>("channelId"), std::string(line.text("inferenceId")),
                line.amount("maxAmount"), line.amount("charged"), line.number("steps"));
            break;
        case Part::opening_balances:
            break;
        case Part::strays:
            refuse_stray(line);
        case Part::entries:
            if (parsed.type() == "checkpoint") tree_->take_checkpoint(line);
            break;
        case Part::accounts:
            take_account(line);
            break;
        case Part::proof:
            tree_->take_proof(line);
            if (settings_.key) check_sealed(line.number("size"));
            // Before the checksum, which would not name a row.
            if (is_whole() && totals_.to == totals_.seq) replay_->finish();
            break;
        case Part::trailer:
            return take_trailer(line);
        case Part::end:
            break;
    }
    add_to_digest(text);
}

void Verification::add_to_digest(std::string_view line) {
    constexpr char kNewline = '\n';
    EVP_DigestUpdate(digest_.get(), line.data(), line.size());
    EVP_DigestUpdate(digest_.get(), &kNewline, 1);
    ++lines_;
}

void Verification::take_header(const Fields& line) {
    if (line.text("format") != kExportForm)
        broken("format", "", "header",
               fmt::format("the format is {}, and this verifier reads {}: export the books anew",
                           line.text("format"), kExportForm));
    totals_.from = line.number("from");
    totals_.to = line.number("to");
    totals_.seq = line.number("seq");
    if (totals_.from == 0 || totals_.to > totals_.seq) line.malformed("from");
    const auto at = parse_time(line.text("at"));
    if (!at) line.malformed("at");
    at_ = *at;
    if (!key_) key_ = NoteKey::parse(line.text("key"));
    if (!key_ && !line.text("key").empty()) line.malformed("key");
    is_told_ = true;
    next_ = totals_.from;
    replay_ = std::make_unique<Replay>(channels_);
    tree_ = std::make_unique<TreeCheck>(totals_.from, key_, settings_.known);
}

void Verification::take_asset(const Fields& line) {
    AuditedAsset asset{std::string(line.text("network")), std::string(line.text("token")),
                       line.json_number("decimals")};
    const auto is_same = [&](const AuditedAsset& other) {
        return other.network == asset.network && other.token == asset.token;
    };
    if (std::any_of(assets_.begin(), assets_.end(), is_same))
        broken("format", "asset", asset.network + ' ' + asset.token, "the asset is told twice");
    assets_.push_back(std::move(asset));
    if (const auto contract = line.optional_fixed<channel::Address>("contract"))
        contracts_.emplace(line.text("network"), *contract);
}

void Verification::take_channel(const Fields& line) {
    auto audited = examine_channel(line, contracts_);
    const auto id = audited.id;
    if (!channels_.emplace(id, std::move(audited)).second)
        broken("format", "channel", channel::to_hex(id), "the channel is told twice");
    ++totals_.channels;
    totals_.contract_channels += !channels_.at(id).is_signed_by_key;
}

void Verification::take_entry(const AuditedEntry& entry) {
    if (entry.seq != next_)
        broken("format", "", std::to_string(next_), "the number is missing", next_);
    totals_.last = next_++;
    tree_->append(entry.seq, entry.leaf);
    if (overdue_ == 0 && entry.at &&
        at_ - *entry.at > std::chrono::microseconds(kSealedWithin).count())
        overdue_ = entry.seq;
    if (is_whole()) replay_->take(entry);
    totals_.payments += entry.payments.size();
    totals_.transfers += entry.transfers.size();
    totals_.chain_events += entry.chain_events.size();
    totals_.sealed = tree_->size();
    totals_.heads = tree_->heads();
    for (const auto& payment : entry.payments) totals_.signatures += !payment.signature.empty();
    for (const auto& event : entry.chain_events) {
        chain_events_.emplace(entry.seq, event);
        if (event.channel) note_block(*event.channel, event.block_number);
    }
    for (const auto& opening : entry.openings) note_block(opening.channel, opening.block_number);
    for (const auto undone : entry.reversals) chain_events_.erase(undone);
}

void Verification::note_block(const channel::ChannelId& id, std::uint64_t block) {
    auto& newest = blocks_[id];
    newest = std::max(newest, block);
}

void Verification::take_account(const Fields& line) {
    ++totals_.accounts;
    if (line.text("kind") == "claimed") {
        const auto balance = channel::subtract(line.amount("credits"), line.amount("debits"));
        if (!balance) line.malformed("debits");
        claimed_.push_back({std::string(line.text("network")),
                            line.fixed<channel::Address>("token"),
                            line.fixed<channel::Address>("owner"), *balance});
    }
    if (!is_whole()) return;
    const auto key = account_key(line.text("network"), line.text("token"), line.text("kind"),
                                 line.text("owner"));
    replay_->check_account(key, line.amount("debits"), line.amount("credits"));
}

/// Rule `tree`, of a log that has been cut off, or never was.
void Verification::check_sealed(std::uint64_t size) const {
    if (overdue_ != 0)
        broken("tree", "log_checkpoint",
               "numbers " + std::to_string(overdue_) + " to " + std::to_string(totals_.to),
               "they are behind the newest head, of size " + std::to_string(size) +
                   ", and the first of them was committed more than " +
                   std::to_string(kSealedWithin.count()) + " minutes before the export",
               overdue_);
}

void Verification::take_trailer(const Fields& line) {
    std::array<std::uint8_t, 32> digest{};
    EVP_DigestFinal_ex(digest_.get(), digest.data(), nullptr);
    if (line.json_number("lines") != lines_ ||
        "0x" + std::string(line.text("sha256")) != channel::to_hex(channel::BytesView(digest)))
        broken("format", "", "trailer", "the lines are not those that were exported");
    part_ = Part::end;
}

VerificationTotals Verification::finish() {
    if (part_ != Part::end) broken("format", "", "", "the export is cut off: it has no trailer");
    totals_.heads = tree_->heads();
    return totals_;
}

}  // namespace millrace::ledger
