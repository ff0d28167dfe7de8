use super::*;

/// What a text is read as, or why it is refused.
fn read<T: FromStr<Err = Refusal> + fmt::Display>(text: &str) -> String {
    match text.parse::<T>() {
        Ok(value) => value.to_string(),
        Err(refusal) => format!("{}; {}", refusal.title, refusal.help.join("; ")),
    }
}

#[test]
fn dates() {
    for (text, read_as) in [
        ("2026-06-30", "2026-06-30"),
        ("2024-02-29", "2024-02-29"),
        ("2026-02-30", "`2026-02-30` is not a day of the calendar; write year, month and day as in `2026-06-30`"),
        ("30.06.2026", "`30.06.2026` is not a date; write year, month and day as in `2026-06-30`"),
        ("20260630", "`20260630` is not a date; write year, month and day as in `2026-06-30`"),
        ("2026-06-30T00:00:00Z", "`2026-06-30T00:00:00Z` is not a date; write year, month and day as in `2026-06-30`"),
    ] {
        assert_eq!(read::<Date>(text), read_as);
    }
}

#[test]
fn durations() {
    const HELP: &str = "write a whole number and one unit: `45s`, `10m`, `26h`, `90d` or `2w`";
    for (text, read_as) in [
        ("26h", "26h".to_owned()),
        ("90 d", "90d".to_owned()),
        ("90", "duration `90` has no unit; units are s, m, h, d and w: write `90d` if days are meant".to_owned()),
        ("3 days", "duration `3 days` has an unknown unit; write `3d`".to_owned()),
        ("1mo", "duration `1mo` has an unknown unit; months and years differ in length; write days".to_owned()),
        ("1M", "duration `1M` has an unknown unit; ".to_owned() + HELP),
        ("1h30m", "duration `1h30m` has an unknown unit; ".to_owned() + HELP),
        ("1.5h", "`1.5h` is not a duration; ".to_owned() + HELP),
        ("-1h", "`-1h` is not a duration; ".to_owned() + HELP),
        ("9999999999s", "duration `9999999999s` is too long; ".to_owned() + HELP),
        ("", "`` is not a duration; ".to_owned() + HELP),
    ] {
        assert_eq!(read::<Duration>(text), read_as);
    }
    let week: Duration = "2w".parse().unwrap();
    assert_eq!((week.seconds(), week.days(), week.to_std().as_secs()), (1_209_600, Some(14), 1_209_600));
    assert_eq!("26h".parse::<Duration>().unwrap().days(), None);
}

#[test]
fn sizes() {
    for (text, bytes) in [("2GiB", 2 << 30), ("512MiB", 512 << 20), ("500MB", 500_000_000), ("0B", 0), ("1 KiB", 1024)]
    {
        assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes);
    }
    for (text, read_as) in [
        ("2048MiB", "2GiB"),
        ("2g", "size `2g` has an unknown unit; write `2GiB`"),
        ("2G", "size `2G` has an unknown unit; write `2GiB`"),
        ("2gib", "size `2gib` has an unknown unit; write `2GiB`"),
        ("64", "size `64` has no unit; write `64MiB` if mebibytes are meant"),
        (
            "99999999TiB",
            "size `99999999TiB` is too large; write a whole number and a unit: `512MiB`, `2GiB` or `500MB`",
        ),
    ] {
        assert_eq!(read::<ByteSize>(text), read_as);
    }
    assert_eq!(read::<MemoryLimit>("80%"), "80%");
    assert_eq!(read::<MemoryLimit>("2GiB"), "2GiB");
    assert_eq!(
        read::<MemoryLimit>("120%"),
        "`120%` is no share of the machine's memory; write more than `0%`, at most `100%`"
    );
}

#[test]
fn percentages_are_exact() {
    for (text, millionths) in [
        ("80%", 800_000),
        ("0.1%", 1_000),
        ("110%", 1_100_000),
        ("-5%", -50_000),
        ("0.0001%", 1),
        ("33.3300%", 333_300),
        ("0%", 0),
    ] {
        assert_eq!(text.parse::<Percent>().unwrap().millionths(), millionths);
    }
    for (text, read_as) in [
        ("80.0%", "80%"),
        ("-0.25%", "-0.25%"),
        ("80", "`80` has no percent sign; write `80%`"),
        ("0.8", "`0.8` is no percentage; write `80%` if that share is meant, `0.8%` otherwise"),
        ("0.00001%", "`0.00001%` has more than 4 decimal places; percentages are exact to `0.0001%`"),
        (".5%", "`.5%` is not a percentage; write a number and a percent sign, as in `80%` or `0.1%`"),
        ("most", "`most` is not a percentage; write a number and a percent sign, as in `80%` or `0.1%`"),
        ("99999999999999999999%", "`99999999999999999999%` is too large; percentages go up to `100000000%`"),
    ] {
        assert_eq!(read::<Percent>(text), read_as);
    }
    assert!(("80%".parse::<Percent>().unwrap().ratio() - 0.8).abs() < 1e-12);
}

#[test]
fn zones() {
    for (text, read_as) in [
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("UTC", "UTC"),
        ("Asia/Tokio", "unknown time zone `Asia/Tokio`; did you mean `Asia/Tokyo`?"),
        ("asia/tokyo", "unknown time zone `asia/tokyo`; did you mean `Asia/Tokyo`?"),
        ("New York", "unknown time zone `New York`; did you mean `America/New_York`?"),
        (
            "+09:00",
            "unknown time zone `+09:00`; a fixed offset ignores daylight saving; name a place, as in `Asia/Tokyo`, or `UTC`",
        ),
        (
            "Mars/Olympus",
            "unknown time zone `Mars/Olympus`; write an IANA name such as `Asia/Tokyo`, `America/New_York` or `UTC`",
        ),
    ] {
        assert_eq!(read::<ZoneName>(text), read_as);
    }
    let zone: ZoneName = "Asia/Tokyo".parse().unwrap();
    let noon = jiff::civil::date(2026, 6, 30).at(12, 0, 0, 0);
    assert_eq!(noon.to_zoned(zone.time_zone().clone()).unwrap().offset().seconds(), 9 * 3600);
}

#[test]
fn currencies_and_money() {
    for (text, read_as) in [
        ("USD", "USD"),
        ("usd", "currency `usd` is not in upper case; write `USD`"),
        ("YEN", "unknown currency `YEN`; write the ISO 4217 code: `JPY` or `CNY`"),
        ("$", "unknown currency `$`; write the ISO 4217 code: `USD`"),
        ("ABC", "unknown currency `ABC`; write an ISO 4217 code such as `USD`, `EUR` or `JPY`"),
    ] {
        assert_eq!(read::<CurrencyCode>(text), read_as);
    }
    for (text, minor) in [
        ("1500.00 USD", 150_000),
        ("1500 USD", 150_000),
        ("0.5 USD", 50),
        ("-0.05 USD", -5),
        ("1500 JPY", 1500),
        ("1.234 KWD", 1234),
    ] {
        let money: MoneyText = text.parse().unwrap();
        assert_eq!(money.minor(), minor);
        assert_eq!(money.to_string().parse::<MoneyText>().unwrap(), money);
    }
    for (text, read_as) in [
        ("1500.00 USD", "1500.00 USD"),
        ("-0.05 USD", "-0.05 USD"),
        ("7 JPY", "7 JPY"),
        ("1,500.00 USD", "`1,500.00 USD` groups its digits; write `1500.00 USD`"),
        ("1500.005 USD", "`1500.005 USD` is finer than its currency; USD has 2 decimal places"),
        ("15.5 JPY", "`15.5 JPY` is finer than its currency; JPY has 0 decimal places"),
        ("1500", "`1500` has no currency; write `1500 USD` if US dollars are meant"),
        ("1500 usd", "currency `usd` is not in upper case; write `USD`"),
        (
            "lots USD",
            "`lots USD` is not an amount of money; write the amount, a space and the currency, as in `1500.00 USD`",
        ),
        (
            "99999999999999999999 USD",
            "`99999999999999999999 USD` is too large; write the amount, a space and the currency, as in `1500.00 USD`",
        ),
    ] {
        assert_eq!(read::<MoneyText>(text), read_as);
    }
}

#[test]
fn names_paths_and_expressions() {
    const RULE: &str = "a name begins with a to z and goes on with a to z, 0 to 9 and _";
    for (text, read_as) in [
        ("nps_monthly", "nps_monthly".to_owned()),
        ("Nps-Monthly", "`Nps-Monthly` is not a snake_case name; write `nps_monthly`".to_owned()),
        ("npsMonthly", "`npsMonthly` is not a snake_case name; write `nps_monthly`".to_owned()),
        ("2nd", format!("`2nd` is not a snake_case name; {RULE}")),
        ("日本", format!("`日本` is not a snake_case name; {RULE}")),
        ("_x", format!("`_x` is not a snake_case name; {RULE}")),
        ("", format!("`` is not a snake_case name; {RULE}")),
    ] {
        assert_eq!(read::<Name>(text), read_as);
    }
    assert!("a".repeat(63).parse::<Name>().is_ok());
    assert!("a".repeat(64).parse::<Name>().is_err());
    assert_eq!(read::<PathTemplate>("${exports}/a/*.parquet"), "${exports}/a/*.parquet");
    assert_eq!(
        read::<PathTemplate>(" "),
        "a path cannot be empty; write a path such as `${exports}/customers/*.parquet`"
    );
    assert_eq!(read::<RegexText>("^[A-Z]{2}$"), "^[A-Z]{2}$");
    assert!("".parse::<RegexText>().is_err());
}

#[test]
fn every_format_reads_its_own_example() {
    for (format, check, example) in FORMATS {
        assert_eq!(check(example), Ok(()), "{format}");
        assert_eq!(super::example(format), Some(*example));
        assert!(check_format(format, "").is_err(), "{format}");
    }
    assert_eq!(check_format("uint32", "anything"), Ok(()));
}

#[test]
fn values_are_read_and_written_as_their_text() {
    let json = serde_json::json!("26h");
    let duration: Duration = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(duration).unwrap(), json);
    let error = serde_json::from_value::<Duration>(serde_json::json!("26")).unwrap_err();
    assert_eq!(error.to_string(), "duration `26` has no unit");
}
