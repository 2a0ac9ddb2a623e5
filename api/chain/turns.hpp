#pragma once

#include "api/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <list>
#include <utility>

namespace millrace::api {

/// A fixed number of places that coroutines of one thread take in the order they asked. With one
/// place it is a mutex; taking all places keeps everybody else out.
class Turns {
public:
    /// Gives the places back when it goes.
    class Turn {
    public:
        Turn() = default;
        Turn(Turn&& other) noexcept
            : turns_(std::exchange(other.turns_, nullptr)), places_(other.places_) {}
        Turn& operator=(Turn&& other) noexcept {
            std::swap(turns_, other.turns_);
            std::swap(places_, other.places_);
            return *this;
        }
        ~Turn() {
            if (turns_) turns_->give_back(places_);
        }

    private:
        friend class Turns;
        Turn(Turns* turns, std::size_t places) : turns_(turns), places_(places) {}
        Turns* turns_ = nullptr;
        std::size_t places_ = 0;
    };

    /// `executor` is single-threaded, and all calls are made on it.
    Turns(boost::asio::any_io_executor executor, std::size_t places)
        : executor_(std::move(executor)), places_(places), free_(places) {}

    /// Waits until that many places are free and nobody waits in front.
    Task<Turn> take(std::size_t places = 1);
    Task<Turn> take_all() { return take(places_); }

private:
    struct Waiting;
    void give_back(std::size_t places);

    boost::asio::any_io_executor executor_;
    std::size_t places_;
    std::size_t free_;
    std::list<Waiting*> queue_;
};

}  // namespace millrace::api
