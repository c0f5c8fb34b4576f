// How native code says no: an Error carries the status, the native code and the message that gatun_last_error()
// returns. It never crosses the C ABI; core/abi.cpp turns it into a status. Not for the objects compiled once per
// instruction set.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include "gatun.h"

namespace gatun {

class Error : public std::exception {
 public:
  Error(gatun_status status, int32_t code, std::string message)
      : status(status), code(code), message(std::move(message)) {}
  const char* what() const noexcept override { return message.c_str(); }

  gatun_status status;
  int32_t code;  // of the CUDA runtime or errno; 0 where there is none
  std::string message;
};

// fail(GATUN_INVALID_ARGUMENT, "group %lld: length %lld is negative", ...): say what was wrong, its value, what to do.
[[noreturn]] __attribute__((format(printf, 2, 3))) inline void fail(gatun_status status, const char* format, ...) {
  std::va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string message(length > 0 ? static_cast<size_t>(length) : 0, '\0');
  if (length > 0) std::vsnprintf(message.data(), message.size() + 1, format, again);
  va_end(again);
  throw Error(status, 0, std::move(message));
}

}  // namespace gatun
