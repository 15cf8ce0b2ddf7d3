//! A line of a report: counts, and what they make.

use schemas::Counts;
use serde::Serialize;

/// What is counted together: a rule, a camera, an hour of the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// The monitoring centre, of a camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centre: Option<String>,
    /// The sums.
    pub counts: Counts,
    /// Alerts that stand and tell of a violation: all rules but those that look for somebody, or at cameras.
    pub violations: i64,
    /// What they make.
    pub figures: Figures,
}

/// Shares in permille and times in milliseconds; `null` where there is nothing to be a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Passages whose plate was read.
    pub read_permille: Option<u32>,
    /// Violations per 1,000 passages, in thousandths.
    pub violations_per_million: Option<u64>,
    /// Alerts that were withdrawn.
    pub withdrawn_permille: Option<u32>,
    /// Alerts that stand and were reviewed.
    pub reviewed_permille: Option<u32>,
    /// Precision by review: of reviewed alerts those that were confirmed.
    pub precision_permille: Option<u32>,
    /// Between what the precision lies with 95 % certainty if the reviewed ones were taken at random (Wilson, 1927).
    pub precision_between_permille: Option<[u32; 2]>,
    /// Alerts that were acknowledged.
    pub acknowledged_permille: Option<u32>,
    /// From when it happened until it was told, on average, of those told within a day.
    pub telling_mean_ms: Option<u64>,
    /// From when it was told until it was acknowledged, on average.
    pub acknowledging_mean_ms: Option<u64>,
}

impl Group {
    /// A group of so many counts and violations.
    #[must_use]
    pub fn new(name: impl Into<String>, centre: Option<String>, counts: Counts, violations: i64) -> Self {
        Self { name: name.into(), centre, counts, violations, figures: Figures::of(&counts, violations) }
    }

    /// Both together, under the name of the first.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let centre = self.centre.filter(|centre| other.centre.as_ref() == Some(centre));
        Self::new(self.name, centre, self.counts.plus(other.counts, 1), self.violations + other.violations)
    }

    /// Whether nothing at all was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts == Counts::NONE
    }
}

impl Figures {
    fn of(counts: &Counts, violations: i64) -> Self {
        let Counts { passages, reads, alerts, withdrawn, confirmed, rejected, acknowledged, prompt, telling_ms, acknowledging_ms } =
            *counts;
        let reviewed = confirmed + rejected;
        let permille = |part, of| share(part, of, 1_000).and_then(|share| u32::try_from(share).ok());
        Self {
            read_permille: permille(reads, passages),
            violations_per_million: share(violations, passages, 1_000_000),
            withdrawn_permille: permille(withdrawn, alerts),
            reviewed_permille: permille(reviewed, alerts - withdrawn),
            precision_permille: permille(confirmed, reviewed),
            precision_between_permille: wilson(confirmed, reviewed),
            acknowledged_permille: permille(acknowledged, alerts),
            telling_mean_ms: share(telling_ms, prompt, 1),
            acknowledging_mean_ms: share(acknowledging_ms, acknowledged, 1),
        }
    }
}

/// So many times a part of a whole, rounded to the nearest; `None` of nothing.
fn share(part: i64, of: i64, times: u64) -> Option<u64> {
    let (part, of) = (u128::try_from(part).ok()?, u128::try_from(of).ok().filter(|of| *of > 0)?);
    u64::try_from((part * u128::from(times) + of / 2) / of).ok()
}

/// Wilson's interval of a share, permille, outwards to whole ones.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of at most a whole")]
fn wilson(part: i64, of: i64) -> Option<[u32; 2]> {
    if of <= 0 || !(0..=of).contains(&part) {
        return None;
    }
    // The normal distribution's quantile for 95 %, both sides.
    let z = 1.959_964_f64;
    let (n, p) = (of as f64, part as f64 / of as f64);
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let bound = |x: f64| (x / (1.0 + z * z / n)).clamp(0.0, 1.0) * 1_000.0;
    Some([bound(centre - half).floor() as u32, bound(centre + half).ceil() as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_and_of_nothing_there_is_none() {
        let counts = Counts { passages: 3, reads: 2, alerts: 4, withdrawn: 1, confirmed: 2, prompt: 4, telling_ms: 10, ..Counts::NONE };
        let figures = Figures::of(&counts, 1);
        assert_eq!((figures.read_permille, figures.violations_per_million), (Some(667), Some(333_333)));
        assert_eq!(
            (figures.withdrawn_permille, figures.reviewed_permille, figures.precision_permille),
            (Some(250), Some(667), Some(1_000))
        );
        assert_eq!((figures.telling_mean_ms, figures.acknowledging_mean_ms, figures.acknowledged_permille), (Some(3), None, Some(0)));
        assert_eq!(Figures::of(&Counts::NONE, 0), Figures::default());
    }

    /// Values of R: `binom.confint(x, n, methods = "wilson")`.
    #[test]
    fn the_interval_is_wilsons() {
        assert_eq!(wilson(40, 43), Some([813, 976]));
        assert_eq!(wilson(0, 10), Some([0, 278]));
        assert_eq!(wilson(5, 5), Some([565, 1_000]));
        assert_eq!(wilson(0, 0), None);
    }
}
