#pragma once

#include "ledger/batch.hpp"

#include <map>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A committed step of an inference: what a repeat of its request is compared and answered with.
struct RecordedStep {
    PaymentKind kind;
    std::int32_t step = 0;
    ContentHash content;
    PaymentResult result;
    std::string detail;
};

using InferenceKey = std::pair<channel::ChannelId, channel::InferenceId>;
using PaymentHistory = std::map<InferenceKey, std::vector<RecordedStep>>;

/// All committed steps of these inferences, each in the order of its steps; an inference that was
/// never seen has no entry.
PaymentHistory read_history(pqxx::connection& connection, const std::vector<InferenceKey>& keys);

}  // namespace millrace::ledger
