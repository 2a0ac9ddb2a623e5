#include "api/task.hpp"

#include "tests/api/rpc_proxy.hpp"

#include "channel/hex.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace support {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using millrace::channel::Amount;
using tcp = asio::ip::tcp;

namespace {

constexpr int kDelayMilliseconds = 15;
constexpr int kWaitMilliseconds = 10;
/// Less than a service waits for an answer.
constexpr int kWaits = 400;

std::string hex_of(std::uint64_t number) {
    std::string digits;
    do {
        digits.insert(digits.begin(), "0123456789abcdef"[number % 16]);
        number /= 16;
    } while (number != 0);
    return "0x" + digits;
}

std::uint64_t number_of(const json::value& value) {
    return std::stoull(std::string(value.as_string()), nullptr, 16);
}

/// The number at `at` of an RLP list's payload; `at` moves behind it.
std::uint64_t rlp_number(const millrace::channel::Bytes& bytes, std::size_t& at) {
    const auto first = bytes.at(at++);
    if (first < 0x80) return first;
    std::uint64_t number = 0;
    for (int left = first - 0x80; left > 0; --left) number = number * 256 + bytes.at(at++);
    return number;
}

/// nonce, priority fee and fee of a type 2 transaction (EIP-1559).
Mempool::Attempt attempt_of(const std::string& raw) {
    const auto bytes = millrace::channel::parse_hex(raw).value();
    std::size_t at = 1;
    const auto list = bytes.at(at++);
    if (bytes.at(0) != 2 || list < 0xc0) throw std::runtime_error("not a type 2 transaction");
    if (list > 0xf7) at += list - 0xf7;
    rlp_number(bytes, at);
    Mempool::Attempt attempt;
    attempt.nonce = rlp_number(bytes, at);
    attempt.fees.priority_fee = Amount{rlp_number(bytes, at)};
    attempt.fees.max_fee = Amount{rlp_number(bytes, at)};
    attempt.raw = raw;
    return attempt;
}

bool is_enough(Amount before, Amount after) {
    return after.units() * 10 >= before.units() * 11;
}

std::string error_answer(const json::value& id, const std::string& message) {
    return json::serialize(json::object{
        {"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", -32000}, {"message", message}}}});
}

}  // namespace

bool Mempool::offer(const std::string& raw) {
    const auto attempt = attempt_of(raw);
    const std::lock_guard lock(mutex_);
    const bool is_new = std::none_of(attempts_.begin(), attempts_.end(),
                                     [&](const Attempt& one) { return one.raw == raw; });
    if (is_new) attempts_.push_back(attempt);
    const auto held = held_.find(attempt.nonce);
    if (held != held_.end() && held->second.raw != raw &&
        (!is_enough(held->second.fees.max_fee, attempt.fees.max_fee) ||
         !is_enough(held->second.fees.priority_fee, attempt.fees.priority_fee)))
        return false;
    held_.insert_or_assign(attempt.nonce, attempt);
    return true;
}

std::vector<Mempool::Attempt> Mempool::attempts() const {
    const std::lock_guard lock(mutex_);
    return attempts_;
}

class RpcProxy::Server {
public:
    Server(std::uint16_t chain_port, std::shared_ptr<Mempool> mempool, std::uint64_t seed)
        : chain_(asio::ip::make_address("127.0.0.1"), chain_port),
          mempool_(std::move(mempool)),
          random_(seed),
          acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}),
          thread_([this] { accept(); }) {}

    ~Server() {
        stopping_ = true;
        ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
        thread_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int handle : open_) ::shutdown(handle, SHUT_RDWR);
        }
        for (auto& one : serving_) one.join();
    }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

    void set(const Faults& faults) {
        const std::lock_guard lock(mutex_);
        faults_ = faults;
        estimates_ = 0;
        sent_ = 0;
    }

    unsigned asked(const std::string& method, const std::string& about) {
        const std::lock_guard lock(mutex_);
        const auto found = asked_.find({method, about});
        return found == asked_.end() ? 0 : found->second;
    }

private:
    enum class Fault { none, drop, lose_answer, error_after, swallow };

    /// What is drawn for one request.
    struct Draw {
        Fault fault = Fault::none;
        bool late = false;
        bool waits = false;
        bool twice = false;
        bool lies = false;
        bool denies = false;
        std::uint64_t behind = 0;
        unsigned which = 0;
    };

    void accept() {
        while (!stopping_) {
            auto connection = std::make_shared<tcp::socket>(io_);
            beast::error_code error;
            acceptor_.accept(*connection, error);
            if (error || stopping_) return;
            const std::lock_guard lock(mutex_);
            open_.insert(connection->native_handle());
            serving_.emplace_back([this, connection] { serve(*connection); });
        }
    }

    void serve(tcp::socket& connection) {
        try {
            beast::flat_buffer buffer;
            while (answer_one(connection, buffer)) {
            }
        } catch (const std::exception&) {
            // The client or the chain went away.
        }
        const std::lock_guard lock(mutex_);
        open_.erase(connection.native_handle());
        beast::error_code ignored;
        connection.close(ignored);
    }

    bool answer_one(tcp::socket& connection, beast::flat_buffer& buffer) {
        http::request<http::string_body> request;
        http::read(connection, buffer, request);
        const auto call = json::parse(request.body()).as_object();
        const auto method = std::string(call.at("method").as_string());
        count(method, call.at("params"));
        const auto draw = draw_for(method);
        if (draw.fault == Fault::drop) return false;
        if (draw.late) ::poll(nullptr, 0, kDelayMilliseconds);
        for (int n = 0; draw.waits && n < kWaits && sent_ == 0; ++n)
            ::poll(nullptr, 0, kWaitMilliseconds);
        const auto answer = answer_to(call, method, draw);
        if (method == "eth_sendRawTransaction") ++sent_;
        if (draw.fault == Fault::lose_answer) return false;
        http::response<http::string_body> response(http::status::ok, 11);
        response.set(http::field::content_type, "application/json");
        response.body() = draw.fault == Fault::error_after
                              ? error_answer(call.at("id"), "request timed out")
                              : answer;
        response.keep_alive(true);
        response.prepare_payload();
        http::write(connection, response);
        return true;
    }

    void count(const std::string& method, const json::value& params) {
        const auto* list = params.if_array();
        if (!list || list->empty() || !list->front().is_string()) return;
        const std::lock_guard lock(mutex_);
        ++asked_[{method, std::string(list->front().as_string())}];
    }

    Draw draw_for(const std::string& method) {
        const std::lock_guard lock(mutex_);
        const auto happens = [this](unsigned percent) { return random_() % 100 < percent; };
        Draw draw;
        if (happens(faults_.drops)) draw.fault = Fault::drop;
        if (happens(faults_.lost_answers)) draw.fault = Fault::lose_answer;
        if (happens(faults_.errors_after)) draw.fault = Fault::error_after;
        if (method == "eth_sendRawTransaction" && happens(faults_.swallows))
            draw.fault = Fault::swallow;
        draw.late = happens(faults_.delays);
        draw.waits =
            faults_.refuses_later_estimates && method == "eth_estimateGas" && ++estimates_ > 1;
        draw.twice = happens(faults_.duplicates);
        draw.lies = method == "eth_getTransactionReceipt" && happens(faults_.lies);
        draw.denies = draw.waits || ((method == "eth_call" || method == "eth_estimateGas") &&
                                     happens(faults_.denials));
        if (method == "eth_getLogs" && happens(faults_.no_logs)) draw.fault = Fault::error_after;
        draw.behind = happens(faults_.stale) ? faults_.blocks_behind : 0;
        draw.which = static_cast<unsigned>(random_() % 3);
        return draw;
    }

    std::string answer_to(json::object call, const std::string& method, const Draw& draw) {
        const auto& id = call.at("id");
        if (draw.denies)
            return json::serialize(json::object{
                {"jsonrpc", "2.0"},
                {"id", id},
                {"error", {{"code", 3}, {"message", "execution reverted"}, {"data", "0x"}}}});
        if (method == "eth_sendRawTransaction") {
            const auto raw = std::string(call.at("params").at(0).as_string());
            // The hash does not matter: it is known to whoever signed.
            if (draw.fault == Fault::swallow)
                return json::serialize(json::object{
                    {"jsonrpc", "2.0"}, {"id", id}, {"result", "0x" + std::string(64, '1')}});
            if (!mempool_->offer(raw))
                return error_answer(id, "replacement transaction underpriced");
        }
        const auto head = draw.behind != 0 || draw.lies
                              ? number_of(ask("eth_blockNumber", json::array{}).at("result"))
                              : 0;
        const auto seen = head - std::min(draw.behind, head);
        if (draw.behind != 0 && !as_of(call, method, seen))
            return error_answer(id, "header not found");
        if (draw.twice) forward(json::serialize(call));
        auto answer = json::parse(forward(json::serialize(call))).as_object();
        if (method == "eth_getTransactionReceipt" && answer.contains("result")) {
            auto& receipt = answer.at("result");
            if (draw.behind != 0 && !receipt.is_null() &&
                number_of(receipt.at("blockNumber")) > seen)
                receipt = nullptr;
            if (draw.lies) lie(receipt, call.at("params").at(0), head, draw.which);
        }
        return json::serialize(answer);
    }

    /// Turns the question into one about the chain up to block `seen`; false when that node would
    /// know no answer.
    static bool as_of(json::object& call, const std::string& method, std::uint64_t seen) {
        auto& params = call.at("params").as_array();
        if (method == "eth_getLogs") return number_of(params.at(0).at("toBlock")) <= seen;
        for (auto& param : params) {
            if (!param.is_string()) continue;
            const auto text = std::string(param.as_string());
            if (text == "latest" || text == "pending") param = hex_of(seen);
            const bool is_block = method != "eth_getTransactionReceipt" &&
                                  method != "eth_sendRawTransaction" && &param != &params.front();
            const bool is_number = is_block || method == "eth_getBlockByNumber";
            if (is_number && text.starts_with("0x") && text.size() <= 18 &&
                std::stoull(text, nullptr, 16) > seen)
                return false;
        }
        return true;
    }

    static void lie(json::value& receipt, const json::value& hash, std::uint64_t head,
                    unsigned which) {
        const auto invented = "0x" + std::string(64, 'e');
        if (receipt.is_null()) {
            receipt = {{"transactionHash", hash},     {"status", "0x1"},
                       {"blockNumber", hex_of(head)}, {"blockHash", invented},
                       {"gasUsed", "0x5208"},         {"effectiveGasPrice", "0x1"},
                       {"logs", json::array{}}};
        } else if (which == 0) {
            receipt = nullptr;
        } else if (which == 1) {
            receipt.as_object()["status"] =
                receipt.at("status").as_string() == "0x1" ? "0x0" : "0x1";
        } else {
            receipt.as_object()["blockHash"] = invented;
        }
    }

    json::value ask(const std::string& method, json::array params) {
        return json::parse(forward(json::serialize(json::object{
            {"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}})));
    }

    std::string forward(const std::string& body) {
        asio::io_context io;
        tcp::socket chain(io);
        chain.connect(chain_);
        http::request<http::string_body> request(http::verb::post, "/", 11, body);
        request.set(http::field::host, "127.0.0.1");
        request.set(http::field::content_type, "application/json");
        request.keep_alive(false);
        request.prepare_payload();
        http::write(chain, request);
        beast::flat_buffer buffer;
        http::response<http::string_body> response;
        http::read(chain, buffer, response);
        return std::move(response.body());
    }

    asio::io_context io_;
    tcp::endpoint chain_;
    std::shared_ptr<Mempool> mempool_;
    std::mt19937_64 random_;
    std::mutex mutex_;
    Faults faults_;
    unsigned estimates_ = 0;
    std::atomic<unsigned> sent_ = 0;
    std::map<std::pair<std::string, std::string>, unsigned> asked_;
    std::set<int> open_;
    std::vector<std::thread> serving_;
    std::atomic<bool> stopping_ = false;
    tcp::acceptor acceptor_;
    std::thread thread_;
};

RpcProxy::RpcProxy(std::uint16_t chain_port, std::shared_ptr<Mempool> mempool, std::uint64_t seed)
    : server_(std::make_unique<Server>(chain_port, std::move(mempool), seed)) {}

RpcProxy::~RpcProxy() = default;

std::string RpcProxy::url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port());
}

void RpcProxy::set(const Faults& faults) {
    server_->set(faults);
}

unsigned RpcProxy::asked(const std::string& method, const std::string& about) const {
    return server_->asked(method, about);
}

}  // namespace support
