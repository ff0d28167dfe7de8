//! Which column of an export holds what.

use jiff::civil::Date;

use super::Fault;
use crate::diag::nearest;

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Id of the customer.
    Customer,
    /// Day or month.
    Date,
    /// Recurring revenue at that time.
    Mrr,
    /// Change of the recurring revenue.
    Change,
    /// Kind of the change.
    Type,
    /// Currency of the amounts.
    Currency,
}

impl Role {
    const ALL: [Self; 6] = [Self::Customer, Self::Date, Self::Mrr, Self::Change, Self::Type, Self::Currency];

    /// Its name in `--columns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Date => "date",
            Self::Mrr => "mrr",
            Self::Change => "change",
            Self::Type => "type",
            Self::Currency => "currency",
        }
    }

    /// The role of a name; `month` is a date.
    ///
    /// # Errors
    /// With the names there are.
    pub fn of(name: &str) -> Result<Self, String> {
        if name == "month" {
            return Ok(Self::Date);
        }
        let names = Self::ALL.map(Self::name);
        let found = Self::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| match nearest(name, &names) {
            Some(near) => format!("`{name}` is nothing a column can hold; did you mean `{near}`?"),
            None => format!("`{name}` is nothing a column can hold; there is {}", names.join(", ")),
        })
    }

    /// Headers that are taken for it, as folded by [`fold`], the likeliest first.
    fn headers(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &[
                "customerid",
                "customerexternalid",
                "customer",
                "subscriberid",
                "accountcode",
                "accountid",
                "externalid",
                "customercode",
                "customeridentifier",
                "customeruuid",
            ],
            Self::Date => &[
                "effectiveon",
                "date",
                "month",
                "period",
                "periodend",
                "periodstart",
                "asof",
                "snapshotmonth",
                "effectivedate",
                "eventdate",
                "timestamp",
                "eventtimestamp",
                "localeventtimestamp",
            ],
            Self::Mrr => {
                &["mrr", "mrrafter", "currentmrr", "monthlyrecurringrevenue", "mrramount", "totalmrr", "customermrr"]
            }
            Self::Change => &["mrrmovement", "mrrchange", "mrrdelta", "change", "movement", "delta", "changeinmrr"],
            Self::Type => &["movementtype", "kind", "eventtype", "changetype", "activitytype", "type", "category"],
            Self::Currency => &["currency", "currencycode", "iso"],
        }
    }
}

/// Whether amounts are in cents or in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Cents, yen.
    Minor,
    /// Dollars, yen.
    Major,
}

/// A form of export whose documentation names its columns.
struct Known {
    name: &'static str,
    /// Headers that all must be there, folded.
    marks: &'static [&'static str],
    unit: Unit,
    /// Whether the amounts are in the currency of the account although there is a column of currencies.
    account_currency: bool,
}

const KNOWN: &[Known] = &[
    // https://dev.chartmogul.com/docs/destinations/calculated-data/mrr-movements
    Known {
        name: "ChartMogul MRR movements",
        marks: &["customerexternalid", "mrrmovement", "movementtype", "currencycode", "date"],
        unit: Unit::Minor,
        account_currency: true,
    },
    Known {
        name: "ledger of tenure",
        marks: &["customerid", "effectiveon", "sequence", "kind", "mrrdelta", "mrrafter"],
        unit: Unit::Major,
        account_currency: false,
    },
];

/// The columns of an export by what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Name of the form, where its documentation names its columns.
    pub known: Option<&'static str>,
    /// Position of the customer's id.
    pub customer: usize,
    /// Position of the date; none in a wide table and in a list as of one day.
    pub date: Option<usize>,
    /// Position of the recurring revenue.
    pub mrr: Option<usize>,
    /// Position of the change.
    pub change: Option<usize>,
    /// Position of the kind of change.
    pub kind: Option<usize>,
    /// Position of the currency.
    pub currency: Option<usize>,
    /// Columns of a wide table: positions and first days of their months.
    pub months: Vec<(usize, Date)>,
    /// Unit of the amounts.
    pub unit: Unit,
}

/// A header without case, blanks and punctuation.
pub(super) fn fold(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Layout {
    /// Finds the columns: the given ones, then those of a known form, then those with usual names.
    ///
    /// # Errors
    /// A given column that is not there; no customer; no amount.
    pub fn find(header: &[String], given: &[(Role, String)], unit: Option<Unit>) -> Result<Self, Fault> {
        let folded: Vec<String> = header.iter().map(|h| fold(h)).collect();
        let known = KNOWN.iter().find(|k| k.marks.iter().all(|mark| folded.iter().any(|h| h == mark)));
        let find = |role: Role| -> Result<Option<usize>, Fault> {
            if let Some((_, name)) = given.iter().find(|(r, _)| *r == role) {
                let at = header.iter().position(|h| h == name).or_else(|| folded.iter().position(|h| *h == fold(name)));
                return at.map(Some).ok_or_else(|| absent(name, header));
            }
            if role == Role::Currency && known.is_some_and(|k| k.account_currency) {
                return Ok(None);
            }
            Ok(role.headers().iter().find_map(|wanted| folded.iter().position(|h| h == wanted)))
        };
        let months: Vec<(usize, Date)> =
            header.iter().enumerate().filter_map(|(at, h)| Some((at, month_of(h)?))).collect();
        let layout = Self {
            known: known.map(|k| k.name),
            customer: find(Role::Customer)?.ok_or_else(|| missing("customer", "an id of the customer", header))?,
            date: find(Role::Date)?,
            mrr: find(Role::Mrr)?,
            change: find(Role::Change)?,
            kind: find(Role::Type)?,
            currency: find(Role::Currency)?,
            months,
            unit: unit.or(known.map(|k| k.unit)).unwrap_or(Unit::Major),
        };
        if layout.mrr.is_none() && layout.change.is_none() && layout.months.is_empty() {
            return Err(missing("mrr", "an amount", header));
        }
        Ok(layout)
    }

    /// Whether rows are changes with a kind and a date.
    #[must_use]
    pub fn has_movements(&self) -> bool {
        self.change.is_some() && self.kind.is_some() && self.date.is_some()
    }
}

fn absent(name: &str, header: &[String]) -> Fault {
    let fault = Fault::usage(format!("the export has no column `{name}`"), "");
    let help = match nearest(name, header) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its columns: {}", header.join(", ")),
    };
    Fault { help, ..fault }
}

fn missing(role: &str, what: &str, header: &[String]) -> Fault {
    Fault::usage(
        format!("no column of the export looks like {what}; its columns: {}", header.join(", ")),
        format!("name it with `--columns {role}=NAME`"),
    )
}

const NAMES: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The first day of a month written `2026-05`, `2026-05-31`, `May 2026` or `May-26`.
#[must_use]
pub fn month_of(text: &str) -> Option<Date> {
    let text = text.trim();
    if let Ok(day) = text.parse::<Date>() {
        return (text.len() == 10).then(|| day.first_of_month());
    }
    let number = |t: &str, digits: usize| {
        (t.len() == digits && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i16>().ok()).flatten()
    };
    let first = |year: i16, month: i16| Date::new(year, i8::try_from(month).ok()?, 1).ok();
    if let Some((year, month)) = text.split_once('-').or_else(|| text.split_once('/'))
        && let (Some(year), Some(month)) = (number(year, 4), number(month, 2))
    {
        return first(year, month);
    }
    let (name, year) = text.split_once([' ', '-', '/'])?;
    let name = name.trim_end_matches(['.', ',']).to_ascii_lowercase();
    let month = NAMES.iter().position(|n| *n == name || (name.len() == 3 && n.starts_with(&name)))?;
    let year = number(year, 4).or_else(|| number(year, 2).map(|y| 2000 + y))?;
    first(year, i16::try_from(month).ok()? + 1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn header(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn the_movements_of_chartmogul_are_known() {
        let names = "DATE,CUSTOMER_NAME,MRR_MOVEMENT,MRR,DESCRIPTION,MOVEMENT_TYPE,CURRENCY_CODE,CUSTOMER_EXTERNAL_ID,CUSTOMER_UUID";
        let found = Layout::find(&header(names), &[], None).unwrap();
        let expected = Layout {
            known: Some("ChartMogul MRR movements"),
            customer: 7,
            date: Some(0),
            mrr: Some(3),
            change: Some(2),
            kind: Some(5),
            // The amounts are in the currency of the account, not of the invoice.
            currency: None,
            months: Vec::new(),
            unit: Unit::Minor,
        };
        assert_eq!(found, expected);
        assert!(found.has_movements());
    }

    #[test]
    fn usual_names_are_found_and_given_ones_win() {
        let found = Layout::find(&header("Customer ID,Month,MRR,Currency"), &[], None).unwrap();
        assert_eq!((found.customer, found.date, found.mrr, found.currency), (0, Some(1), Some(2), Some(3)));
        assert!(!found.has_movements() && found.unit == Unit::Major);
        let given = [(Role::Customer, "who".to_owned()), (Role::Mrr, "Net Amount".to_owned())];
        let found = Layout::find(&header("who,customer,net amount,mrr"), &given, Some(Unit::Minor)).unwrap();
        assert_eq!((found.customer, found.mrr, found.unit), (0, Some(2), Unit::Minor));
    }

    #[test]
    fn a_wide_table_has_a_column_per_month() {
        let found = Layout::find(&header("customer_id,email,2026-04,2026-05"), &[], None).unwrap();
        assert_eq!(found.months, [(2, date(2026, 4, 1)), (3, date(2026, 5, 1))]);
        for (text, month) in [
            ("2026-05", Some(date(2026, 5, 1))),
            ("2026-05-31", Some(date(2026, 5, 1))),
            ("2026/05", Some(date(2026, 5, 1))),
            ("May 2026", Some(date(2026, 5, 1))),
            ("may-26", Some(date(2026, 5, 1))),
            ("September 2026", Some(date(2026, 9, 1))),
            ("2026-13", None),
            ("mrr 2026", None),
            ("m 2026", None),
            ("20260531", None),
        ] {
            assert_eq!(month_of(text), month, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_flag() {
        let fault = Layout::find(&header("email,mrr"), &[], None).unwrap_err();
        assert!(fault.title.contains("an id of the customer") && fault.help.contains("--columns customer=NAME"));
        let fault = Layout::find(&header("customer_id,plan"), &[], None).unwrap_err();
        assert!(fault.help.contains("--columns mrr=NAME"), "{fault:?}");
        let fault =
            Layout::find(&header("customer_id,mrr_usd"), &[(Role::Mrr, "mrrusd2".to_owned())], None).unwrap_err();
        assert_eq!(fault.help, "did you mean `mrr_usd`?");
        assert!(Role::of("custmer").unwrap_err().contains("`customer`"));
    }
}
