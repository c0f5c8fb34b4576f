// records.h - results as JSON, one object a line, appended as soon as they are known: a run that is cut off in time
// keeps what it had. bench/gpu/results.py makes tables of them.
#pragma once
#include <cstdio>
#include <string>

#include "gatun.h"

namespace bench {

class Record {
 public:
  Record(const char* stage, const char* kind);
  Record& add(const char* key, const std::string& value);
  Record& add(const char* key, const char* value) { return add(key, std::string(value)); }
  Record& add(const char* key, double value);  // null where it is not finite
  Record& add(const char* key, int64_t value);
  Record& add(const char* key, bool value);

 private:
  friend class Records;
  void key(const char* key);
  std::string text_;
};

class Records {
 public:
  // Of what ran on this context's device; `path` may be null: then records are only printed.
  Records(const char* path, gatun_context* context);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;
  void write(Record record);

 private:
  std::FILE* file_;
  std::string device_;
};

}  // namespace bench
