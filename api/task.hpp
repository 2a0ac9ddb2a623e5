#pragma once

// Asio's awaitable needs <utility> before it with GCC 12.
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace millrace::api {

template <class T>
using Task = boost::asio::awaitable<T>;

}  // namespace millrace::api
