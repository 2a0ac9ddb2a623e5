#include "ledger/signature_batch.hpp"

namespace millrace::ledger {
namespace {

constexpr std::uint32_t kSignaturesCounted = 1'000;

}  // namespace

void SignatureBatch::begin() {
    key_tables_.begin_batch();
}

void SignatureBatch::add(LiveChannel& channel, const std::vector<BatchItem*>& items,
                         Checking checking, Time now, Of batch) {
    if (!channel.signer) return;
    for (auto* item : likely_checks(channel, items, checking)) {
        const auto& voucher = *voucher_of(*item);
        const auto* signature = voucher.signature.as_of_key();
        if (!signature || item->is_signed) continue;
        const bool counts = batch == Of::this_batch;
        if (counts && channel.signatures < kSignaturesCounted) ++channel.signatures;
        const auto* known = key_tables_.find(*channel.signer, counts ? channel.signatures : 0, now);
        if (!known && !channel::answers_without_table()) continue;
        questions_.push_back({digest_of(channel, voucher), signature, &*channel.signer, known});
        asked_.push_back(item);
    }
}

void SignatureBatch::check() {
    if (channel::answer_pays(questions_)) {
        channel::answer(questions_);
        for (std::size_t at = 0; at < asked_.size(); ++at)
            asked_[at]->is_signed = questions_[at].is_good;
    }
    questions_.clear();
    asked_.clear();
}

}  // namespace millrace::ledger
