#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace millrace::channel {

/// A value, or the reason why there is none. Expected refusals travel this way; nothing in
/// channel/ throws.
template <class T>
using Result = boost::system::result<T>;

}  // namespace millrace::channel
