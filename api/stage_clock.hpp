#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace millrace::api {

/// Where the CPU time of those threads goes that see every payment.
enum class Stage {
    /// Reading from sockets, and making requests of what was read.
    parse,
    /// Signatures.
    verify,
    /// Rules, rows, parameters.
    decide,
    /// Handing batches to Postgres; the time that Postgres takes itself is not in it.
    commit,
    /// Handing on what was committed, making text of it, and writing to sockets.
    reply,
    /// Whatever those threads do for HTTP.
    other,
};
inline constexpr std::array kStages{Stage::parse,  Stage::verify, Stage::decide,
                                    Stage::commit, Stage::reply,  Stage::other};
std::string_view to_string(Stage stage);

/// What a shard waits for with a batch in hand: its turn to commit, or Postgres.
enum class CommitWait { turn, database };

/// Books the CPU time of one thread to stages: all of it, from one `enter` to the next, so that
/// nothing is left out. To go over to another stage takes half a microsecond, which is little for a
/// frame or a batch and much for a single request.
class StageClock {
public:
    using Book = std::function<void(Stage stage, std::chrono::nanoseconds cpu)>;
    explicit StageClock(Book book) : book_(std::move(book)) {}

    /// By the thread whose time it is. Gives what was booked to the stage before: nothing if it is
    /// the same, or there was none.
    std::chrono::nanoseconds enter(Stage stage);

private:
    Book book_;
    std::optional<Stage> stage_;
    std::chrono::nanoseconds since_{0};
};

}  // namespace millrace::api
