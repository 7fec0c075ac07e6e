//! What many figures come down to.

use std::fmt::{Display, Formatter, Result};

/// A median, with half of the interval that holds the true one in 95 of 100 cases.
pub struct Estimate {
    pub median: f64,
    pub half: f64,
}

impl Display for Estimate {
    fn fmt(&self, formatter: &mut Formatter) -> Result {
        write!(formatter, "{:.2} ± {:.2}", self.median, self.half)
    }
}

pub fn median(values: &[f64]) -> f64 {
    estimate(values.to_vec()).median
}

/// The ratio of two figures that were taken round by round: what disturbs a round disturbs both.
pub fn ratio(values: &[f64], to: &[f64]) -> Estimate {
    // Processor time may be too short to be seen, which says nothing.
    let pairs = values.iter().zip(to).filter(|&(_, &to)| to > 0.0);
    estimate(pairs.map(|(value, to)| value / to).collect())
}

/// The limits are order statistics: how many of the values are below the true median is binomial.
fn estimate(mut values: Vec<f64>) -> Estimate {
    if values.is_empty() {
        return Estimate { median: f64::NAN, half: f64::NAN };
    }
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let reach = 1.96 * (count as f64).sqrt() / 2.0;
    let below = (count as f64 / 2.0 - reach).max(0.0) as usize;
    let above = ((count as f64 / 2.0 + reach) as usize).min(count - 1);
    Estimate { median: values[count / 2], half: (values[above] - values[below]) / 2.0 }
}
