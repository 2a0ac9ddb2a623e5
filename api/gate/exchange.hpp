#pragma once

#include "api/gate/byte_room.hpp"
#include "api/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::api::gate {

/// Header fields in their order, names as they came.
using Fields = std::vector<std::pair<std::string, std::string>>;
/// The value of the first field of that name, in any case; empty: none.
std::string_view field_in(const Fields& fields, std::string_view name);
/// True when a list such as "trailers, deflate" has the word.
bool lists(std::string_view list, std::string_view word);
/// Without what belongs to one connection alone (RFC 9110, 7.6.1), and without content-length.
Fields end_to_end(const Fields& fields);

/// An HTTP request whose body is here.
struct GateRequest {
    std::string method;
    /// As it came: path and query.
    std::string target;
    /// The path as it came, and without escapes.
    std::string raw_path;
    std::string path;
    Fields fields;
    std::string body;
    std::string remote_address;
    /// What the body takes of the room for all of them.
    ByteRoom::Share body_room;
};

struct ReplyHead {
    unsigned status = 200;
    Fields fields;
    /// Names of the fields behind the body; empty: none.
    std::string trailer;
    /// Where the length of what follows is known.
    std::optional<std::uint64_t> content_length{};
};

/// A whole reply.
struct Reply {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    Fields fields{};
};
/// application/problem+json (RFC 9457).
Reply problem_reply(unsigned status, std::string_view reason, std::string_view detail,
                    Fields fields = {});

/// One request of a client and the reply to it, on the thread of their connection. Each write has
/// a deadline; one that fails means that the client is gone.
class Exchange {
public:
    class Peer;
    Exchange(Peer& peer, GateRequest request) : peer_(peer), request_(std::move(request)) {}
    Exchange(const Exchange&) = delete;

    GateRequest& request() { return request_; }
    /// The request's body is not needed any more.
    void drop_body();
    boost::asio::any_io_executor executor() const;

    /// All at once.
    Task<bool> answer(Reply reply);
    /// Or the head, then the body in pieces, each sent at once, and the end.
    Task<bool> begin(ReplyHead head);
    Task<bool> write(std::string_view piece);
    Task<bool> end(Fields trailers);
    /// Nothing after this: the reply cannot be completed.
    void cut();

    bool is_gone() const;
    /// Called once when the client goes while nothing is written; nothing to call any more when
    /// `gone` is empty.
    void on_gone(std::function<void()> gone);

private:
    Peer& peer_;
    GateRequest request_;
};

}  // namespace millrace::api::gate
