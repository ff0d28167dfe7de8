//! Identifiers: short, opaque, and a function of the customer's number alone.
//!
//! They do not depend on the seed, so a documented customer keeps its id in every sample.

use std::fmt;

use super::rng::mix;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CODES: u64 = 62_u64.pow(8);
const FIRST_BIGINT: i64 = 7_000_000_001;

/// How a customer and its users are written in every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdStyle {
    /// A string such as `cus_4fTq09Zb`, as payment providers write them.
    #[default]
    Text,
    /// A 64-bit integer, as CRM and support systems write them.
    Bigint,
}

/// A customer's number in the company and the eight characters all its ids are made of.
#[derive(Clone, Copy)]
pub(super) struct CustomerKey {
    pub(super) index: u64,
    code: [u8; 8],
}

impl CustomerKey {
    pub(super) fn new(index: u64) -> Self {
        // Cycle walking: the permutation acts on 2^48 numbers, those beyond 62^8 go round again.
        let mut scrambled = permute(index);
        while scrambled >= CODES {
            scrambled = permute(scrambled);
        }
        let mut code = [b'0'; 8];
        for place in code.iter_mut().rev() {
            *place = digit(scrambled);
            scrambled /= 62;
        }
        Self { index, code }
    }

    pub(super) fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("00000000")
    }

    pub(super) fn bigint(&self) -> i64 {
        FIRST_BIGINT.saturating_add_unsigned(self.index)
    }

    /// The customer's `n`th user, of at most a thousand.
    pub(super) fn nth_bigint(&self, n: usize) -> i64 {
        self.bigint().saturating_mul(1_000).saturating_add_unsigned(n.try_into().unwrap_or(u64::MAX))
    }

    /// The customer's `n`th id of the kind that `prefix` names.
    pub(super) fn nth(&self, prefix: &'static str, n: usize) -> Nth<'_> {
        Nth { prefix, key: self, n: n.try_into().unwrap_or(u64::MAX) }
    }
}

/// An id such as `si_4fTq09Zb02`; it is unique because the code has a fixed width.
pub(super) struct Nth<'a> {
    prefix: &'static str,
    key: &'a CustomerKey,
    n: u64,
}

impl fmt::Display for Nth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(self.key.code())?;
        let mut places = [b'0'; 11];
        let mut rest = self.n;
        let mut used = 0;
        while used < 2 || rest > 0 {
            used += 1;
            places[11 - used] = digit(rest);
            rest /= 62;
        }
        f.write_str(std::str::from_utf8(&places[11 - used..]).unwrap_or("00"))
    }
}

/// A CRM record id: 15 case-sensitive characters and the 3 that tell their case.
pub(super) fn crm_id(customer: u64, n: usize) -> String {
    let mut rest = customer.saturating_mul(64).saturating_add(n.try_into().unwrap_or(0));
    let mut id = *b"0065g0000000000";
    for place in id[8..].iter_mut().rev() {
        *place = digit(rest);
        rest /= 62;
    }
    let mut text: String = id.iter().map(|&c| char::from(c)).collect();
    for group in id.chunks(5) {
        let case = (0_u64..).zip(group).fold(0, |bits, (at, c)| bits | (u64::from(c.is_ascii_uppercase()) << at));
        let suffix = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
        text.push(char::from(suffix[usize::try_from(case).unwrap_or(0)]));
    }
    text
}

fn digit(n: u64) -> u8 {
    BASE_62[usize::try_from(n % 62).unwrap_or(0)]
}

/// A permutation of the numbers below 2^48: four Feistel rounds over two halves of 24 bits.
fn permute(n: u64) -> u64 {
    const HALF: u64 = (1 << 24) - 1;
    let (mut left, mut right) = ((n >> 24) & HALF, n & HALF);
    for round in 1..=4_u64 {
        let mask = mix(right ^ (round << 32)) & HALF;
        (left, right) = (right, left ^ mask);
    }
    (left << 24) | right
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_fixed() {
        let codes: HashSet<String> = (0..200_000).map(|i| CustomerKey::new(i).code().to_owned()).collect();
        assert_eq!(codes.len(), 200_000);
        let key = CustomerKey::new(1);
        assert_eq!(key.nth("si_", 0).to_string(), format!("si_{}00", key.code()));
        assert_eq!(key.nth("ev_", 3_844).to_string(), format!("ev_{}100", key.code()));
    }

    #[test]
    fn crm_ids_carry_the_suffix_that_tells_their_case() {
        assert_eq!(crm_id(0, 0), "0065g0000000000AAA");
        assert_eq!(crm_id(0, 10), "0065g000000000AAAQ");
        assert_eq!(crm_id(1, 3).len(), 18);
    }
}
