#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace millrace::api {

/// Keeps a year of partitions ready in the database: makes what is missing when it begins and once
/// a day. What fails is logged, and done a day later: there is time.
class MonthsAhead {
public:
    explicit MonthsAhead(std::string postgres);
    ~MonthsAhead();
    MonthsAhead(const MonthsAhead&) = delete;
    MonthsAhead& operator=(const MonthsAhead&) = delete;

private:
    void make() const;
    void run();

    std::string postgres_;
    std::mutex mutex_;
    std::condition_variable ending_;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace millrace::api
