#include "api/task.hpp"

#include "api/cli/bench/pair_load.hpp"

#include "api/cli/bench/load_connection.hpp"
#include "api/cli/bench/load_requests.hpp"

#include <boost/asio.hpp>

#include <chrono>

namespace millrace::api::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct PairLane {
    std::vector<std::string> authorizations;
    std::vector<std::string> charges;
    std::vector<Clock::time_point> sent_at;
    std::size_t sent = 0;
};

class PairLoad {
public:
    PairLoad(const LoadPlan& plan, std::vector<LoadChannel>& channels)
        : plan_(plan), context_(1), lanes_(plan.channels) {
        const LoadRequests requests;
        const auto each = plan.updates / plan.channels;
        for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
            lanes_[lane].authorizations = requests.authorize(channels.at(lane), lane, each);
            lanes_[lane].charges = requests.charge(channels.at(lane), lane, each);
            lanes_[lane].sent_at.resize(each);
        }
        left_ = each * plan.channels;
    }

    LoadResult run(const StreamAddress& address, const PairTokens& tokens) {
        for (std::size_t n = 0; n < plan_.connections; ++n) {
            const auto on = [&](auto take) {
                return std::make_unique<LoadConnection>(
                    context_, plan_.array_max, [this, n, take](const LoadMessage& message) {
                        (this->*take)(message);
                        payers_[n]->flush();
                        receivers_[n]->flush();
                    });
            };
            payers_.push_back(on(&PairLoad::take_authorized));
            receivers_.push_back(on(&PairLoad::take_charged));
            payers_[n]->connect(address, tokens.payer);
            receivers_[n]->connect(address, tokens.receiver);
        }
        if (plan_.before_start) plan_.before_start();
        const auto begin = Clock::now();
        for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
            for (std::size_t n = 0; n < plan_.window; ++n) authorize(lane);
        for (const auto& payer : payers_) payer->flush();
        context_.run();
        result_.seconds = std::chrono::duration<double>(ended_ - begin).count();
        return std::move(result_);
    }

private:
    void authorize(std::size_t number) {
        auto& lane = lanes_[number];
        if (lane.sent == lane.authorizations.size()) return;
        lane.sent_at[lane.sent] = Clock::now();
        payers_[number % payers_.size()]->queue(lane.authorizations[lane.sent++]);
    }

    void take_authorized(const LoadMessage& message) {
        for (const auto& answer : message.answers) {
            const auto lane = lane_of(answer.id);
            if (answer.refused)
                refuse(lane, message);
            else
                receivers_[lane % receivers_.size()]->queue(
                    lanes_.at(lane).charges.at(number_of(answer.id)));
        }
    }

    void take_charged(const LoadMessage& message) {
        for (const auto& answer : message.answers) {
            const auto lane = lane_of(answer.id);
            if (answer.refused) {
                refuse(lane, message);
                continue;
            }
            ++result_.acknowledged;
            const auto sent_at = lanes_.at(lane).sent_at.at(number_of(answer.id));
            result_.latencies.add(message.read_at - sent_at);
            end_pair(lane);
        }
    }

    void refuse(std::size_t lane, const LoadMessage& message) {
        if (result_.refused++ == 0) result_.first_refusal = message.refusal;
        end_pair(lane);
    }

    void end_pair(std::size_t lane) {
        authorize(lane);
        if (--left_ > 0) return;
        ended_ = Clock::now();
        context_.stop();
    }

    const LoadPlan& plan_;
    boost::asio::io_context context_;
    std::vector<PairLane> lanes_;
    std::vector<std::unique_ptr<LoadConnection>> payers_;
    std::vector<std::unique_ptr<LoadConnection>> receivers_;
    LoadResult result_;
    Clock::time_point ended_;
    std::uint64_t left_ = 0;
};

}  // namespace

LoadResult run_pair_load(const StreamAddress& address, const PairTokens& tokens,
                         std::vector<LoadChannel>& channels, const LoadPlan& plan) {
    PairLoad load(plan, channels);
    return load.run(address, tokens);
}

}  // namespace millrace::api::bench
