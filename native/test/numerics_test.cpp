// numerics_test - the properties of the arithmetic that a comparison over random data does not show.
#include <immintrin.h>

#include <cmath>
#include <limits>

#include "model.h"
#include "rules/numeric.h"
#include "specs.h"

using namespace test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Standardizes one gradient by way of a plain SGD step with learning rate -1 on zero weights: w = h.
std::vector<double> standardized(const Shape& shape, int32_t dtype, const std::vector<double>& gradient,
                                 double eps = 1e-8) {
  Problem problem({{sgd("", -1).standardize(true, true, eps), dtype, {shape}}}, 1);
  TensorData& tensor = problem.groups[0].tensors[0];
  for (int64_t i = 0; i < shape.length; ++i) {
    tensor.weight.set(i, 0);
    tensor.gradient.set(i, gradient[size_t(i)]);
  }
  Session session(problem, 2);
  CHECK_OK(session.step(GATUN_CHECK_FINITE));
  CHECK(session.report().skipped == 0, "the step was refused");
  std::vector<double> h;
  for (int64_t i = 0; i < shape.length; ++i) h.push_back(tensor.weight.get(i));
  return h;
}

// h of the values as the dtype stores them, in long double.
std::vector<double> exact(const Shape& shape, int32_t dtype, const std::vector<double>& gradient) {
  std::vector<long double> g;
  for (const double x : gradient)
    g.push_back(dtype == GATUN_F32 ? static_cast<long double>(float(x)) : static_cast<long double>(x));
  const int64_t n = shape.length / shape.rows;
  long double squares = 0;
  for (int64_t r = 0; r < shape.rows; ++r) {
    long double mean = 0;
    for (int64_t i = 0; i < n; ++i) mean += g[size_t(r * n + i)] / n;
    for (int64_t i = 0; i < n; ++i) g[size_t(r * n + i)] -= mean;
    for (int64_t i = 0; i < n; ++i) squares += g[size_t(r * n + i)] * g[size_t(r * n + i)];
  }
  std::vector<double> h;
  for (const long double x : g) h.push_back(double(x / (std::sqrt(squares) + 1e-8L)));
  return h;
}

double norm(const std::vector<double>& x) {
  long double squares = 0;
  for (const double v : x) squares += static_cast<long double>(v) * v;
  return double(std::sqrt(squares));
}

void rows_keep_their_digits() {
  for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
    for (const int64_t n : {int64_t(9), int64_t(577), int64_t(20011)}) {
      for (const double ratio : {0.0, 10.0, 1e3, 1e5}) {
        for (const bool outlier : {false, true}) {
          const Shape shape = matrix_of(3, n);
          std::vector<double> g;
          for (int64_t i = 0; i < shape.length; ++i)
            g.push_back(0.01 * (ratio * (1 + double(i / n)) + random_number(5, uint64_t(i))));
          if (outlier)
            for (int64_t r = 0; r < 3; ++r) g[size_t(r * n)] = 1e3;  // the shift itself
          const std::vector<double> h = standardized(shape, dtype, g), expected = exact(shape, dtype, g);
          double worst = 0, largest = 0;
          for (size_t i = 0; i < h.size(); ++i) {
            worst = std::max(worst, std::fabs(h[i] - expected[i]));
            largest = std::max(largest, std::fabs(expected[i]));
          }
          const double tolerance = dtype == GATUN_F32 ? 1e-6 : 1e-9;
          CHECK(worst / largest <= (dtype == GATUN_F32 ? 3e-7 : 1e-9),
                "%d, rows of %lld, |mean|/std %g, outlier %d: h differs by %g", dtype, (long long)n, ratio, outlier,
                worst / largest);
          CHECK(std::fabs(norm(h) / norm(expected) - 1) <= tolerance,
                "%d, rows of %lld, |mean|/std %g, outlier %d: norm %.9g, not %.9g", dtype, (long long)n, ratio, outlier,
                norm(h), norm(expected));
        }
      }
    }
  }
}

void constant_rows_give_zero() {
  for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
    for (const int64_t n : {1, 2, 3, 9, 31, 33, 577, 2047, 2049, 20011}) {
      for (const double value : {0.1, -3.7e5, 1e-30, 0.0}) {
        const Shape shape = matrix_of(3, n);
        const std::vector<double> h = standardized(shape, dtype, std::vector<double>(size_t(shape.length), value));
        int64_t different = 0;
        for (const double x : h) different += !(x == 0);
        CHECK(different == 0, "rows of %lld equal %g: %lld elements are not 0", (long long)n, value,
              (long long)different);
      }
    }
  }
}

// Distance in units of the last place of T at the exact value.
template <class T>
double ulps(T got, long double exact) {
  const T rounded = T(exact);
  const T next = std::nextafter(rounded, std::numeric_limits<T>::infinity());
  return double(std::fabs(static_cast<long double>(got) - exact) / (static_cast<long double>(next) - rounded));
}

template <class T>
double softplus_error(T beta, bool dense) {
  double worst = 0;
  const auto probe = [&](T x) {
    const T y = beta * x;
    const T got = gatun::softplus(x, beta, T(1) / beta);
    if (y > T(20)) {
      CHECK(got == x, "softplus(%g; %g) = %g", double(x), double(beta), double(got));
      return;
    }
    const long double exact =
        static_cast<long double>(x) + std::log1p(std::exp(-static_cast<long double>(beta) * x)) / beta;
    const double e = ulps(got, exact);
    CHECK(e <= 3.0,  // as rules/numeric.h claims
          "softplus(%.17g; %g) = %.17g is off by %g ulp", double(x), double(beta), double(got), e);
    worst = std::max(worst, e);
  };
  probe(0);
  for (T x = std::numeric_limits<T>::denorm_min(); x < T(1e-3) / beta; x *= 8) probe(x);
  const int points = dense ? 400000 : 20000;
  for (int i = 0; i <= points; ++i) probe(T(20.5) / beta * T(i) / T(points));
  const T edge = T(20) / beta;
  T below = edge, above = edge;
  for (int i = 0; i < 50; ++i) {
    probe(below = std::nextafter(below, T(0)));
    probe(above = std::nextafter(above, std::numeric_limits<T>::infinity()));
  }
  for (T x = T(21) / beta; x < std::numeric_limits<T>::max() / 16; x *= 8) probe(x);
  CHECK(gatun::softplus(std::numeric_limits<T>::max(), beta, 1 / beta) == std::numeric_limits<T>::max(),
        "the largest number");
  CHECK(gatun::softplus(T(kInfinity), beta, 1 / beta) == T(kInfinity), "infinity");
  CHECK(std::isnan(gatun::softplus(T(NAN), beta, 1 / beta)), "NaN");
  return worst;
}

void powers() {
  for (const double b : {0.0, 0.5, 0.9, 0.999, 1 - 1e-9, 1.0}) {
    for (const int64_t n :
         {int64_t(0), int64_t(1), int64_t(2), int64_t(3), int64_t(1000), int64_t(1) << 24, int64_t(1) << 31}) {
      const long double exact = std::pow(static_cast<long double>(b), static_cast<long double>(n));
      const double got = gatun::power(b, n);
      const double bound = double(n) * 0x1p-52 * got;  // as rules/numeric.h claims
      CHECK(std::fabs(double(got - exact)) <= bound, "%g^%lld = %.17g, not %.17Lg", b, (long long)n, got, exact);
      CHECK(n == 0 || (got >= 0 && got <= b), "%g^%lld = %.17g leaves [0, b]", b, (long long)n, got);
    }
  }
  CHECK(gatun::power(0, 0) == 1 && gatun::power(0, 5) == 0, "powers of 0");
}

double fractional_power_error() {
  double worst = 0;
  for (const double r : {0.0, 1e-300, 1e-9, 0.1, 0.25, 1.0 / 3, 0.5, 0.75, 0.999, 1.0}) {
    const auto probe = [&](int64_t n) {
      const long double exact = std::pow(static_cast<long double>(n), static_cast<long double>(r));
      const double e = ulps(gatun::fractional_power(n, r), exact);
      CHECK(e <= 2.0,  // as rules/numeric.h claims
            "%lld^%.17g = %.17g is off by %g ulp", (long long)n, r, gatun::fractional_power(n, r), e);
      worst = std::max(worst, e);
    };
    for (int64_t n = 1; n <= 20000; ++n) probe(n);
    for (int shift = 14; shift < 53; ++shift)
      for (int64_t n = -3; n <= 3; ++n) probe((int64_t(1) << shift) + n);
    for (uint64_t i = 0; i < 20000; ++i) probe(int64_t(20000 * std::exp(std::fabs(random_number(31, i)) * 8)));
    CHECK(gatun::fractional_power(1, r) == 1, "1^%g", r);
  }
  CHECK(gatun::fractional_power(12345, 0) == 1, "a power of 0");
  return worst;
}

double log_error() {
  double worst = 0;
  const auto probe = [&](double x) {
    const double e = ulps(gatun::log_above_one(x), std::log(static_cast<long double>(x)));
    CHECK(e <= 2.0,  // as rules/numeric.h claims
          "log %.17g = %.17g is off by %g ulp", x, gatun::log_above_one(x), e);
    worst = std::max(worst, e);
  };
  for (int k = 0; k < 200000; ++k) probe(1 + k * 1e-5);
  for (double x = std::nextafter(1.0, 2.0); x < 1e308; x *= 1.0007) probe(x);
  for (double d = 2.3e-16; d < 1; d *= 1.01) probe(1 + d);
  for (int e = 1; e < 1024; ++e) probe(std::ldexp(1.0, e)), probe(std::nextafter(std::ldexp(1.0, e), 0.0));
  CHECK(gatun::log_above_one(1) == 0 && gatun::log_above_one(kInfinity) == kInfinity, "log 1 or log infinity");
  CHECK(std::isnan(gatun::log_above_one(std::nan(""))), "log NaN");
  return worst;
}

double half_cosine_error() {
  double worst = 0;
  for (const int64_t k :
       {int64_t(1), int64_t(2), int64_t(3), int64_t(7), int64_t(1000), int64_t(30001), int64_t(1) << 40}) {
    const int64_t stride = k < 40000 ? 1 : k / 40000;
    for (int64_t n = 0; n < k; n += n < 10 || n > k - 10 ? 1 : stride) {
      // from the nearer end, where the cosine is near 1 or the sine near 0
      const bool late = 2 * n > k;
      const long double x = acosl(-1.0L) / 2 * (late ? k - n : n) / k, root = late ? sinl(x) : cosl(x);
      const double e = ulps(gatun::half_cosine(n, k), root * root);
      CHECK(e <= 5.0,  // as rules/numeric.h claims
            "half a cosine at %lld of %lld is %.17g, off by %g ulp", (long long)n, (long long)k,
            gatun::half_cosine(n, k), e);
      worst = std::max(worst, e);
    }
    CHECK(gatun::half_cosine(0, k) == 1 && gatun::half_cosine(k, k) == 0 && gatun::half_cosine(k + 5, k) == 0,
          "half a cosine over %lld steps at its ends", (long long)k);
  }
  return worst;
}

// A caller may flush denormals or round upwards; that neither changes a result nor is changed by a step.
void rounding_mode_of_the_caller() {
  const std::vector<Shape> shapes = {vector_of(70000), matrix_of(4, 20011),
                                     vector_of(33)};  // enough for several threads
  const std::vector<GroupSetup> setups = {
      {adam("", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize().ema(0.99), GATUN_F32, shapes},
      {sgd("", 0.05, 0.9).clip(1), GATUN_F32, shapes}};
  const auto run = [&](uint32_t mode) {
    Problem problem(setups, 17);
    problem.gradient_magnitude = 1e-38;  // denormal gradients, and moments further down
    const uint32_t saved = _mm_getcsr();
    for (int step = 1; step <= 2; ++step) {
      problem.make_gradients(step, false);
      _mm_setcsr(mode);
      {
        Session session(problem, 3);  // its threads inherit the mode
        const gatun_status status = step == 1 ? session.step(GATUN_CHECK_FINITE) : session.phases(GATUN_CHECK_FINITE);
        const uint32_t after = _mm_getcsr();
        _mm_setcsr(saved);
        CHECK(status == GATUN_OK, "the step fails: %s", gatun_last_error());
        // the low six bits are sticky exception flags
        CHECK((after & ~0x3fu) == (mode & ~0x3fu), "MXCSR is %x after a step, was %x", after, mode);
      }
    }
    return problem.bits();
  };
  const std::vector<unsigned char> expected = run(0x1f80);
  CHECK(run(0x1f80 | 0x8040) == expected, "flushing denormals changes the result");
  CHECK(run(0x1f80 | 0x4000) == expected, "rounding upwards changes the result");
  CHECK(run(0x1f80 | 0x6000) == expected, "rounding towards zero changes the result");
}

// Extreme but legal numbers stay finite and near the model.
void extremes() {
  for (const double magnitude : {1e-40, 1e-30, 1e-12, 1e12}) {
    Problem problem({{adam("adam", 1e-3), GATUN_F32, {vector_of(100)}},
                     {adam("sing", 1e-3, 0, 0, false, 50).standardize(), GATUN_F32, {matrix_of(4, 25)}}},
                    23);
    problem.gradient_magnitude = magnitude;
    Model model(problem);
    Session session(problem, 1);
    for (int step = 1; step <= 20; ++step) {
      problem.make_gradients(step, false);
      session.bind();
      CHECK_OK(session.step(0));
      model.step(problem, 1);
    }
    for (size_t g = 0; g < 2; ++g) {
      double largest = 0;
      const double e = error(problem.groups[g].tensors[0].weight, model.groups[g].tensors[0].weight, largest);
      CHECK(e <= 5e-6, "gradients of %g, group %zu: weights differ by %g", magnitude, g, e);
    }
  }
  // step counters far on: 2^24 and 2^31 steps taken
  for (const int64_t steps : {int64_t(1) << 24, int64_t(1) << 31, int64_t(1) << 40}) {
    Problem problem({{adam("adam", 1e-3), GATUN_F32, {vector_of(100)}}}, 29);
    static_cast<int64_t*>(problem.groups[0].counters.data())[0] = steps;
    Model model(problem);
    model.groups[0].tensors[0].steps = steps;
    problem.make_gradients(1, false);
    Session session(problem, 1);
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    model.step(problem, 1);
    double largest = 0;
    CHECK(problem.groups[0].counter(0) == steps + 1, "the counter is %lld", (long long)problem.groups[0].counter(0));
    const double e = error(problem.groups[0].tensors[0].weight, model.groups[0].tensors[0].weight, largest);
    CHECK(e <= 5e-6, "after %lld steps: weights differ by %g", (long long)steps, e);
  }
}

}  // namespace

int main() {
  rows_keep_their_digits();
  constant_rows_give_zero();
  const bool dense = !flag("GATUN_TEST_SLOW_BUILD");
  double f32 = 0, f64 = 0;
  for (const double beta : {50.0, 1.0, 3.0, 1e-3, 1e4}) {
    f32 = std::max(f32, softplus_error<float>(float(beta), dense));
    f64 = std::max(f64, softplus_error<double>(beta, dense));
  }
  std::printf("softplus: at most %.2f ulp in float, %.2f in double\n", f32, f64);
  std::printf("fractional power: at most %.2f ulp\n", fractional_power_error());
  std::printf("log: at most %.2f ulp\n", log_error());
  std::printf("half cosine: at most %.2f ulp\n", half_cosine_error());
  powers();
  rounding_mode_of_the_caller();
  extremes();
  return result("numerics");
}
