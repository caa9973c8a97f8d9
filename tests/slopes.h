// The gradient of any scalar function against finite differences, in double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>

namespace seqbench {

struct SlopeCheck {
  std::string name;                  // of the tensor, for the message
  std::span<double> values;          // what the loss depends on; changed and restored
  std::span<const double> gradient;  // of the loss with respect to values
  double loss_error;                 // bound of the rounding error of one evaluation of the loss
};

/// Expects every gradient element to equal the slope of loss(), a function of check.values.
/// The slope is extrapolated (Richardson) from central differences at h and 2h. Its tolerance is
/// the sum of two terms:
///   truncation  |slope(2h) − slope(h)|, three times the error of slope(h), which the extrapolation
///               is far below;
///   rounding    1.5·loss_error/h, of the four losses in (4·slope(h) − slope(2h))/3.
template <typename Loss>
void expect_slopes(const SlopeCheck& check, const Loss& loss) {
  constexpr double kH = 1e-4;
  const auto central_difference = [&](double& element, double h) {
    const double middle = element;
    element = middle + h;
    const double above = loss();
    element = middle - h;
    const double below = loss();
    element = middle;
    return (above - below) / (2 * h);
  };
  ASSERT_EQ(check.values.size(), check.gradient.size()) << check.name;
  for (std::size_t i = 0; i < check.values.size(); ++i) {
    const double narrow = central_difference(check.values[i], kH);
    const double wide = central_difference(check.values[i], 2 * kH);
    const double slope = (4 * narrow - wide) / 3;
    ASSERT_NEAR(check.gradient[i], slope, std::abs(wide - narrow) + 1.5 * check.loss_error / kH)
        << "d." << check.name << "[" << i << "] of " << check.values.size();
  }
}

}  // namespace seqbench
