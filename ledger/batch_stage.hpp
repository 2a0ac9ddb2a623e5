#pragma once

namespace millrace::ledger {

/// What a shard is at while it makes a batch.
enum class BatchStage {
    /// Rules, rows and parameters, and drafts of the answers.
    decide,
    /// Signatures.
    verify,
    /// Waiting until the commits before it are done, of other shards too.
    turn,
    /// Sending the batch to Postgres, and waiting until it is on disk.
    commit,
    /// Handing on what was committed.
    publish,
};

}  // namespace millrace::ledger
