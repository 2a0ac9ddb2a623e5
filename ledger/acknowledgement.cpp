#include "ledger/acknowledgement.hpp"

#include "ledger/acknowledged_batch.hpp"
#include "ledger/batch_statement.hpp"

#include <string_view>

namespace millrace::ledger {
namespace {

constexpr const char* kAcknowledge = R"sql(, acknowledged as (
    insert into acknowledged_batch (base, numbers, content) select s.base, $5, $6 from sequence s
)
select s.base / )sql";
constexpr const char* kNew = "1 from sequence s";
constexpr const char* kAsked = R"sql(case when exists (
    select from unnest($7, $8, $9) as u(channel_id, inference_id, channel_month)
    join payment p on p.channel_id = u.channel_id and p.inference_id = u.inference_id
        and p.channel_month = u.channel_month) then 0 else 1 end
from sequence s)sql";

BatchConnection::Statement statement_of(const char* name, const char* last, bool asked) {
    // smallint, bigint ×2, timestamptz, bigint, bytea; then arrays of bytea, text and date.
    std::vector<std::uint32_t> types{21, 20, 20, 1184, 20, 17};
    if (asked) types.insert(types.end(), {1001, 1009, 1182});
    return {name, std::string(kNumbersTakenHere) + kAcknowledge + last, std::move(types)};
}

}  // namespace

Acknowledgement::Acknowledgement(const Batch& batch, Time now)
    : content_(encode(batch, now)), numbers_(batch.ordinals), now_(now) {}

void Acknowledgement::ask(const ChannelTerms& terms, const channel::InferenceId& inference) {
    channels_.add(terms.id.view());
    inferences_.add(std::string_view(inference.text()));
    months_.add(terms.month);
}

const BatchConnection::Statement& Acknowledgement::statement() const {
    static const auto acknowledge = statement_of("acknowledge", kNew, false);
    static const auto asking = statement_of("acknowledge_asking", kAsked, true);
    return channels_.size() == 0 ? acknowledge : asking;
}

BatchParameters::Raw Acknowledgement::parameters(const HeldLease& lease) {
    singles_ = {std::to_string(lease.shard), std::to_string(lease.epoch),
                std::to_string(lease.batch + 1), to_rfc3339(now_ + lease.duration),
                std::to_string(numbers_)};
    BatchParameters::Raw raw;
    const auto add = [&raw](const std::string& bytes, int format) {
        raw.values.push_back(bytes.data());
        raw.lengths.push_back(static_cast<int>(bytes.size()));
        raw.formats.push_back(format);
    };
    for (const auto& single : singles_) add(single, 0);
    add(content_, 1);
    if (channels_.size() == 0) return raw;
    for (auto* array : {&channels_, &inferences_, &months_}) add(array->bytes(), 1);
    return raw;
}

}  // namespace millrace::ledger
