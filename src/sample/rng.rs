//! Numbers that look random and are not: the same question always gets the same answer.
//!
//! A generator is keyed by (seed, customer, stream), never shared and never advanced from one
//! customer to the next. So customer 17 is the same company whether 100 or a million are asked
//! for, whichever thread makes it, and a table that draws more numbers leaves the others as they
//! were. Only integers are drawn: floating-point functions differ between platforms in the last
//! bit, and one bit is enough to change a file.

/// One independent sequence per subject of a customer's story.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Profile = 1,
    Life,
    Noise,
    Billing,
    Invoices,
    Usage,
    Onboarding,
    Support,
    Survey,
    Review,
    Sales,
    Meetings,
    Fx,
    Costs,
    PastDue,
    Lines,
    UsageCharges,
    Tiers,
}

/// `SplitMix64`: a counter passed through a mixing function (Steele, Lea and Flood, 2014).
pub(super) struct Rng(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    pub(super) fn new(seed: u64, customer: u64, stream: Stream) -> Self {
        let subject = mix(customer.wrapping_mul(GOLDEN)).wrapping_add(stream as u64);
        Self(mix(mix(seed.wrapping_add(GOLDEN)) ^ mix(subject)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in `0..n`; 0 if `n` is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Uniform in `low..=high`.
    pub(super) fn int(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1);
        low.saturating_add_unsigned(self.below(span))
    }

    /// Uniform in `low..=high`, as a number of days.
    pub(super) fn days(&mut self, low: i32, high: i32) -> i32 {
        i32::try_from(self.int(i64::from(low), i64::from(high))).unwrap_or(low)
    }

    /// In `low..=high`, small values far more often than large ones (mean at a quarter).
    pub(super) fn skewed(&mut self, low: i64, high: i64) -> i64 {
        let reach = self.below(high.abs_diff(low).saturating_add(1));
        low.saturating_add_unsigned(self.below(reach.saturating_add(1)))
    }

    /// True with a probability of `ppm` in a million.
    pub(super) fn chance(&mut self, ppm: i64) -> bool {
        self.int(0, 999_999) < ppm
    }

    pub(super) fn pick<T: Copy, const N: usize>(&mut self, of: &[T; N]) -> T {
        of[self.index(N)]
    }

    /// One of `of`, each as often as its weight says.
    pub(super) fn weighted<T: Copy, const N: usize>(&mut self, of: &[(T, u64); N]) -> T {
        let total = of.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(total);
        for &(value, weight) in of {
            if at < weight {
                return value;
            }
            at -= weight;
        }
        of[0].0
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len.try_into().unwrap_or(1))).unwrap_or(0)
    }
}
