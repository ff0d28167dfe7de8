//! Formulas: how a column follows from others of its row, as data that can be printed with values
//! and checked against the table.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// How a column follows from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// The column it gives.
    pub column: String,
    /// The right-hand side.
    pub term: Term,
    /// Rows it holds for: those in which this column has one of these values.
    pub only: Option<(String, Vec<String>)>,
    /// When the column is NULL although the right-hand side has a value, in words.
    pub unless: Option<String>,
}

impl Formula {
    /// `column = term`.
    pub fn new(column: impl Into<String>, term: Term) -> Self {
        Self { column: column.into(), term, only: None, unless: None }
    }

    /// Holds only for rows in which `column` has one of `values`.
    #[must_use]
    pub fn only(mut self, column: &str, values: &[&str]) -> Self {
        self.only = Some((column.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()));
        self
    }

    /// Says when the column is NULL all the same.
    #[must_use]
    pub fn unless(mut self, words: impl Into<String>) -> Self {
        self.unless = Some(words.into());
        self
    }
}

/// The right-hand side of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A column of the same row.
    Column(String),
    /// A column of the same group so many periods before.
    Earlier(String, u32),
    /// A number.
    Number(i64),
    /// Terms added; `true` for those that are subtracted.
    Sum(Vec<(bool, Term)>),
    /// A product.
    Product(Box<Term>, Box<Term>),
    /// A quotient; no value over zero.
    Quotient(Box<Term>, Box<Term>),
    /// A power.
    Power(Box<Term>, f64),
    /// An end of the 95 % Wilson interval of `hits` in `n`.
    Wilson {
        /// The upper end.
        upper: bool,
        /// The hits, and n.
        of: Box<[Term; 2]>,
    },
}

/// A column of the same row.
pub fn of(column: impl Into<String>) -> Term {
    Term::Column(column.into())
}

/// The sum of columns of the same row.
pub fn sum<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Term {
    Term::Sum(columns.into_iter().map(|c| (false, of(c))).collect())
}

impl Term {
    /// The term to a power.
    #[must_use]
    pub fn power(self, exponent: f64) -> Self {
        Self::Power(Box::new(self), exponent)
    }

    fn summands(self) -> Vec<(bool, Self)> {
        match self {
            Self::Sum(parts) => parts,
            other => vec![(false, other)],
        }
    }

    /// The columns of the same row that it reads.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) => vec![name],
            Self::Earlier(..) | Self::Number(_) => Vec::new(),
            Self::Sum(parts) => parts.iter().flat_map(|(_, t)| t.columns()).collect(),
            Self::Product(a, b) | Self::Quotient(a, b) => a.columns().into_iter().chain(b.columns()).collect(),
            Self::Power(t, _) => t.columns(),
            Self::Wilson { of, .. } => of.iter().flat_map(Term::columns).collect(),
        }
    }

    /// Everything it reads: columns with how many periods before, each once, in the order of the text.
    pub fn reads(&self) -> Vec<(String, u32)> {
        let seen = std::cell::RefCell::new(Vec::new());
        self.text(&|name, back| {
            let read = (name.to_owned(), back);
            if !seen.borrow().contains(&read) {
                seen.borrow_mut().push(read);
            }
            String::new()
        });
        seen.into_inner()
    }

    /// The value; `look` gives a column of the row, or of the row so many periods before.
    ///
    /// `None` where something that it reads is NULL or missing, or a divisor is zero.
    pub fn value(&self, look: &dyn Fn(&str, u32) -> Option<Number>) -> Option<Number> {
        Some(match self {
            Self::Column(name) => look(name, 0)?,
            Self::Earlier(name, periods) => look(name, *periods)?,
            Self::Number(n) => Number::Whole(i128::from(*n)),
            Self::Sum(parts) => {
                let mut sum = Number::Whole(0);
                for (minus, term) in parts {
                    let part = term.value(look)?;
                    sum = sum.plus(if *minus { part.negated() } else { part });
                }
                sum
            }
            Self::Product(a, b) => a.value(look)?.times(b.value(look)?),
            Self::Quotient(a, b) => a.value(look)?.over(b.value(look)?)?,
            Self::Power(t, exponent) => Number::Float(t.value(look)?.float().powf(*exponent)),
            Self::Wilson { upper, of } => {
                let (hits, n) = (of[0].value(look)?.float(), of[1].value(look)?.float());
                Number::Float(wilson(hits, n, *upper)?)
            }
        })
    }

    /// The term as text; `name` writes a column of the row, or of the row so many periods before.
    pub fn text(&self, name: &dyn Fn(&str, u32) -> String) -> String {
        match self {
            Self::Column(column) => name(column, 0),
            Self::Earlier(column, periods) => name(column, *periods),
            Self::Number(n) => n.to_string(),
            Self::Sum(parts) => {
                let mut out = String::new();
                for (at, (minus, term)) in parts.iter().enumerate() {
                    let text = term.text(name);
                    // A negative value is subtracted, and subtracting one adds.
                    let (minus, text) = match text.strip_prefix('-') {
                        Some(rest) if !matches!(term, Self::Sum(_)) => (!minus, rest.to_owned()),
                        _ if matches!(term, Self::Sum(_)) => (*minus, format!("({text})")),
                        // Nothing has no sign.
                        _ if at == 0 && text.starts_with('0') && !text.contains(|c| matches!(c, '1'..='9')) => {
                            (false, text)
                        }
                        _ => (*minus, text),
                    };
                    out.push_str(match (at, minus) {
                        (0, false) => "",
                        (0, true) => "-",
                        (_, false) => " + ",
                        (_, true) => " - ",
                    });
                    out.push_str(&text);
                }
                out
            }
            Self::Product(a, b) => format!("{} * {}", a.factor(name), b.factor(name)),
            Self::Quotient(a, b) => {
                let divisor = match **b {
                    Self::Product(..) | Self::Quotient(..) => format!("({})", b.text(name)),
                    _ => b.factor(name),
                };
                format!("{} / {divisor}", a.factor(name))
            }
            Self::Power(t, exponent) => {
                let inner = t.text(name);
                let plain = matches!(**t, Self::Column(_) | Self::Number(_));
                if plain { format!("{inner} ^ {exponent}") } else { format!("({inner}) ^ {exponent}") }
            }
            Self::Wilson { upper, of } => {
                let end = if *upper { "upper" } else { "lower" };
                format!("{end} end of Wilson 95 % ({} in {})", of[0].text(name), of[1].text(name))
            }
        }
    }

    fn factor(&self, name: &dyn Fn(&str, u32) -> String) -> String {
        match self {
            Self::Sum(parts) if parts.len() > 1 => format!("({})", self.text(name)),
            _ => self.text(name),
        }
    }
}

impl Add for Term {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let mut parts = self.summands();
        parts.extend(other.summands());
        Self::Sum(parts)
    }
}

impl Sub for Term {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        let mut parts = self.summands();
        parts.extend(other.summands().into_iter().map(|(minus, t)| (!minus, t)));
        Self::Sum(parts)
    }
}

impl Neg for Term {
    type Output = Self;
    fn neg(self) -> Self {
        Self::Sum(self.summands().into_iter().map(|(minus, t)| (!minus, t)).collect())
    }
}

impl Mul for Term {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::Product(Box::new(self), Box::new(other))
    }
}

impl Div for Term {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::Quotient(Box::new(self), Box::new(other))
    }
}

/// A number on the way through a formula: exact as long as it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count, or money in units of the pipeline's scale.
    Whole(i128),
    /// A quotient of such, the divisor positive.
    Ratio(i128, i128),
    /// A rate, or what follows from one.
    Float(f64),
}

impl Number {
    /// As a float.
    #[expect(clippy::cast_precision_loss, reason = "what a rate is computed from, as the query does it")]
    pub fn float(self) -> f64 {
        match self {
            Self::Whole(n) => n as f64,
            Self::Ratio(n, d) => n as f64 / d as f64,
            Self::Float(f) => f,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Whole(n) => Self::Whole(-n),
            Self::Ratio(n, d) => Self::Ratio(-n, d),
            Self::Float(f) => Self::Float(-f),
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Self::Whole(a + b),
            (a, b) => Self::Float(a.float() + b.float()),
        }
    }

    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Self::Whole(a * b),
            (a, b) => Self::Float(a.float() * b.float()),
        }
    }

    fn over(self, other: Self) -> Option<Self> {
        match (self, other) {
            (_, Self::Whole(0)) => None,
            (Self::Whole(a), Self::Whole(b)) => Some(Self::Ratio(a * b.signum(), b.abs())),
            (a, b) if b.float() != 0.0 => Some(Self::Float(a.float() / b.float())),
            _ => None,
        }
    }

    /// Whether a cell with a whole number, or money, has this value: rounded half-even where the
    /// value is not whole, and one unit off at most where it went through floats.
    pub fn is_whole(self, cell: i64) -> bool {
        let cell = i128::from(cell);
        match self {
            Self::Whole(n) => n == cell,
            Self::Ratio(n, d) => {
                let (floor, rest) = (n.div_euclid(d), n.rem_euclid(d));
                let up = rest * 2 > d || (rest * 2 == d && floor.rem_euclid(2) == 1);
                cell == floor + i128::from(up)
            }
            Self::Float(f) => {
                let cell = Self::Whole(cell).float();
                (f - cell).abs() <= 1.0_f64.max(cell.abs() * 1e-12)
            }
        }
    }

    /// Whether a cell with a floating-point number has this value, up to rounding.
    pub fn is_float(self, cell: f64) -> bool {
        let value = self.float();
        (value - cell).abs() <= 1e-9 * value.abs().max(1.0)
    }
}

/// An end of the Wilson score interval, 95 %; see [`crate::expr::ratio::wilson`].
fn wilson(hits: f64, n: f64, upper: bool) -> Option<f64> {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0.0 {
        return None;
    }
    if (upper && hits >= n) || (!upper && hits <= 0.0) {
        return Some(if upper { 1.0 } else { 0.0 });
    }
    let (share, z2) = (hits / n, Z * Z);
    let centre = share + z2 / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some((if upper { centre + spread } else { centre - spread }) / (1.0 + z2 / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, back: u32) -> Option<Number> {
        Some(match (name, back) {
            ("opening", 0) => Number::Whole(1_200),
            ("gained", 0) => Number::Whole(300),
            ("lost", 0) => Number::Whole(-50),
            ("closing", 1) => Number::Whole(1_000),
            ("customers", 0) => Number::Whole(8),
            ("none", 0) => Number::Whole(0),
            ("rate", 0) => Number::Float(0.03),
            _ => return None,
        })
    }

    fn shown(name: &str, back: u32) -> String {
        row(name, back).map_or("NULL".to_owned(), |n| match n {
            Number::Whole(n) => n.to_string(),
            other => other.float().to_string(),
        })
    }

    fn named(name: &str, back: u32) -> String {
        if back == 0 { name.to_owned() } else { format!("{name}[-{back}]") }
    }

    #[expect(clippy::needless_pass_by_value, reason = "terms are written in the calls")]
    fn check(term: Term, words: &str, values: &str, value: Option<Number>) {
        assert_eq!(term.text(&named), words);
        assert_eq!(term.text(&shown), values);
        assert_eq!(term.value(&row), value);
    }

    #[test]
    fn terms_are_written_with_names_and_with_values() {
        let closing = || sum(["opening", "gained", "lost"]);
        check(closing(), "opening + gained + lost", "1200 + 300 - 50", Some(Number::Whole(1_450)));
        check(-of("lost") - of("gained"), "-lost - gained", "50 - 300", Some(Number::Whole(-250)));
        check(
            (of("opening") - of("lost")) / of("customers"),
            "(opening - lost) / customers",
            "(1200 + 50) / 8",
            Some(Number::Ratio(1_250, 8)),
        );
        check(-of("lost") / of("opening"), "-lost / opening", "50 / 1200", Some(Number::Ratio(50, 1_200)));
        check(-of("none") - of("lost"), "-none - lost", "0 + 50", Some(Number::Whole(50)));
        check(of("opening") / of("none"), "opening / none", "1200 / 0", None);
        check(of("opening") * of("unknown"), "opening * unknown", "1200 * NULL", None);
        check(
            of("opening") / Term::Earlier("closing".into(), 1) - Term::Number(1),
            "opening / closing[-1] - 1",
            "1200 / 1000 - 1",
            Some(Number::Float(1.2 - 1.0)),
        );
        check(
            of("opening") * Term::Number(2) / (of("gained") * of("customers")),
            "opening * 2 / (gained * customers)",
            "1200 * 2 / (300 * 8)",
            Some(Number::Ratio(2_400, 2_400)),
        );
    }

    #[test]
    fn three_per_cent_a_month_is_30_62_a_year() {
        let year = Term::Number(1) - (Term::Number(1) - of("rate")).power(12.0);
        assert_eq!(year.text(&named), "1 - (1 - rate) ^ 12");
        assert_eq!(format!("{:.4}", year.value(&row).unwrap().float()), "0.3062");
    }

    #[test]
    fn intervals_match_the_published_vector() {
        // 15 of 500: 1.83 % to 4.89 %.
        assert_eq!(format!("{:.4}", wilson(15.0, 500.0, false).unwrap()), "0.0183");
        assert_eq!(format!("{:.4}", wilson(15.0, 500.0, true).unwrap()), "0.0489");
        assert_eq!(
            (wilson(0.0, 7.0, false), wilson(7.0, 7.0, true), wilson(0.0, 0.0, true)),
            (Some(0.0), Some(1.0), None)
        );
    }

    #[test]
    fn cells_are_compared_as_they_are_rounded() {
        // 12.5 and 13.5 are ties and go to the even neighbour: 12 and 14.
        for (n, d, cell) in [(25, 2, 12), (27, 2, 14), (-25, 2, -12), (-27, 2, -14), (7, 3, 2), (8, 3, 3), (-8, 3, -3)]
        {
            assert!(Number::Ratio(n, d).is_whole(cell), "{n}/{d}");
            assert!(!Number::Ratio(n, d).is_whole(cell + 1), "{n}/{d}");
        }
        assert!(Number::Whole(7).is_whole(7) && !Number::Whole(7).is_whole(8));
        assert!(Number::Float(7.4).is_whole(7) && !Number::Float(7.4).is_whole(9));
        assert!(Number::Ratio(1, 3).is_float(1.0 / 3.0) && !Number::Ratio(1, 3).is_float(0.333));
    }
}
