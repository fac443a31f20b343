//! Percentiles, and what a count of nothing is worth.

/// The value that so many in a hundred do not exceed; 0 for no values. Sorts them.
pub fn percentile(values: &mut [u64], percent: f64) -> u64 {
    values.sort_unstable();
    // 99.9 % of 1000 must come out as 999, whatever the rounding.
    let place = (percent / 100.0 * values.len() as f64 - 1e-9).ceil() as usize;
    values.get(place.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(0)
}

/// Upper bound at 95 % of the rate behind `events` in `trials`: 3 / N if there were none, else the
/// one-sided bound after Wilson.
#[must_use]
pub fn upper_bound(events: u64, trials: u64) -> f64 {
    let n = trials.max(1) as f64;
    if events == 0 {
        return (3.0 / n).min(1.0);
    }
    let z = 1.644_853_6_f64;
    let p = events as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (centre + spread) / (1.0 + z * z / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        assert_eq!(percentile(&mut values, 50.0), 500);
        assert_eq!(percentile(&mut values, 99.9), 999);
        assert_eq!(percentile(&mut values, 100.0), 1000);
        assert_eq!(percentile(&mut values, 0.0), 1);
        assert_eq!(percentile(&mut [], 50.0), 0);
    }

    #[test]
    fn no_event_in_n_trials_bounds_the_rate_by_three_over_n() {
        assert!((upper_bound(0, 3000) - 0.001).abs() < 1e-12);
        assert!(upper_bound(1, 3000) > 0.001);
        // Newcombe 1998, table I (two-sided 90 % is one-sided 95 %): grows with the events.
        assert!(upper_bound(10, 100) > 0.1 && upper_bound(10, 100) < 0.17);
    }
}
