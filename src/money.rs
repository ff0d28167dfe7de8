//! Currencies: which codes exist, and how many decimal places their minor unit has.
//!
//! The table is ISO 4217, list one (current codes), as of 2026, and below it the codes withdrawn
//! since 2015, because histories still hold them. Codes without a minor unit (gold, `XDR`, `XXX`)
//! are left out. Payment providers deviate for some codes (`ISK`, `UGX`, `MGA` and others): that
//! is a matter of how an export is read, not of the currency.

/// Codes by the decimal places of their minor unit.
const BY_EXPONENT: &[(u8, &str)] = &[
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
         CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP \
         GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK \
         LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO \
         NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS \
         SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST \
         XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// Codes withdrawn since 2015, by the decimal places they had.
const WITHDRAWN: &[(u8, &str)] = &[(0, "BYR"), (2, "ANG BGN CUC HRK LTL MRO SLL STD VEF ZMK ZWL")];

/// The decimal places of a currency's minor unit: 2 for `USD`, 0 for `JPY`, 3 for `KWD`.
///
/// Takes any case, since exports write `usd`. Knows withdrawn codes too, since histories hold
/// them. `None` for what is no currency with a minor unit.
#[must_use]
pub fn exponent(code: &str) -> Option<u8> {
    let code = upper(code)?;
    let holds = |codes: &str| codes.split_ascii_whitespace().any(|known| known.as_bytes() == code);
    BY_EXPONENT.iter().chain(WITHDRAWN).find(|(_, codes)| holds(codes)).map(|(exponent, _)| *exponent)
}

/// The codes whose minor unit has so many decimal places: the current ones, then the withdrawn ones.
pub fn codes_with_exponent(exponent: u8) -> impl Iterator<Item = &'static str> {
    BY_EXPONENT
        .iter()
        .chain(WITHDRAWN)
        .filter(move |(known, _)| *known == exponent)
        .flat_map(|(_, codes)| codes.split_ascii_whitespace())
}

/// All current codes, by decimal places, then ascending.
pub fn codes() -> impl Iterator<Item = &'static str> {
    BY_EXPONENT.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace())
}

fn upper(code: &str) -> Option<[u8; 3]> {
    let mut bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
    bytes.make_ascii_uppercase();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn exponents_follow_iso_4217() {
        for (code, places) in [
            ("USD", Some(2)),
            ("jpy", Some(0)),
            ("Kwd", Some(3)),
            ("CLF", Some(4)),
            ("UYW", Some(4)),
            ("HRK", Some(2)),
            ("XAU", None),
            ("XXX", None),
            ("BTC", None),
            ("US", None),
            ("", None),
            ("€€€", None),
        ] {
            assert_eq!(exponent(code), places, "{code}");
        }
    }

    #[test]
    fn codes_are_unique_upper_case_and_sorted() {
        let withdrawn = WITHDRAWN.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace());
        let all: Vec<_> = codes().chain(withdrawn).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())));
        for (_, codes) in BY_EXPONENT.iter().chain(WITHDRAWN) {
            let codes: Vec<_> = codes.split_ascii_whitespace().collect();
            assert!(codes.is_sorted(), "{codes:?}");
        }
        assert_eq!(codes_with_exponent(3).count(), 7);
        assert_eq!(codes_with_exponent(1).count(), 0);
    }
}
