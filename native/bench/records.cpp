#include "records.h"

#include <cmath>
#include <cstdlib>

namespace bench {

namespace {
std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return json + "\"";
}
}  // namespace

Record::Record(const char* stage, const char* kind) { add("stage", stage).add("kind", kind); }
void Record::key(const char* key) { text_ += (text_.empty() ? "{" : ", ") + quoted(key) + ": "; }
Record& Record::add(const char* name, const std::string& value) {
  key(name);
  text_ += quoted(value);
  return *this;
}
Record& Record::add(const char* name, double value) {
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  key(name);
  text_ += std::isfinite(value) ? digits : "null";
  return *this;
}
Record& Record::add(const char* name, int64_t value) {
  key(name);
  text_ += std::to_string(value);
  return *this;
}
Record& Record::add(const char* name, bool value) {
  key(name);
  text_ += value ? "true" : "false";
  return *this;
}

Records::Records(const char* path, gatun_context* context) : file_(nullptr) {
  gatun_device_info info{};
  if (gatun_context_info(context, &info) == GATUN_OK) device_ = info.name;
  if (path == nullptr) return;
  file_ = std::fopen(path, "a");
  if (file_ == nullptr) {
    std::perror(path);
    std::exit(2);
  }
}
Records::~Records() {
  if (file_ != nullptr) std::fclose(file_);
}
void Records::write(Record record) {
  record.add("device", device_);
  if (const char* run = std::getenv("GATUN_BENCH_RUN")) record.add("run", run);
  std::printf("%s}\n", record.text_.c_str());
  std::fflush(stdout);
  if (file_ == nullptr) return;
  std::fprintf(file_, "%s}\n", record.text_.c_str());
  std::fflush(file_);
}

}  // namespace bench
